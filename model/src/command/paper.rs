//! How fills are made up where no market makes them: what operators set for the paper venue.

wire_enum!(
    /// How the paper venue decides that a resting order is filled. Each needs data of a certain depth; what it assumes and
    /// which way it errs stands with its code in `engine/src/core/paper/`.
    FillModelKind {
        /// The exact place in the queue. Needs orders (L3).
        Exact = 1 => "exact",
        /// Only trades at its price bring an order forward; whoever cancels stood behind. Needs levels (L2).
        RiskAverse = 2 => "risk_averse",
        /// Cancels are shared between ahead and behind by `f(x) = x^n`. Needs levels (L2).
        Power = 3 => "power",
        /// As [`Self::Power`], by `f(x) = log(1 + x)`.
        Log = 4 => "log",
        /// As [`Self::Power`], by `f(x) = x^2`.
        Square = 5 => "square",
        /// A trade or quote through the order's price, or if configured a trade at it. Needs quotes or trades (L1).
        Quotes = 6 => "quotes",
        /// A bar whose range passes the order's price. Needs bars.
        Bars = 7 => "bars",
    }
);

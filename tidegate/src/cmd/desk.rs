//! `tidegate desk`

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use std::io::{self, Write};
use tidegate_client::Client;
use tidegate_client::proto::assign_fees_request::Holder;
use tidegate_client::proto::{
    AccountKind, AdminResponse, AssignFeesRequest, BustTradeRequest, ConvertRequest,
    CorrectTradeRequest, CostMethod, DayRollRequest, GetEquityRequest, Limits, MassCancelRequest,
    OpenAccountRequest, PayDividendRequest, Reject, SetBorrowRequest, SetFeesRequest,
    SetLimitsRequest, SetMarginRequest, SetRateRequest, SetTickTableRequest, SettleRequest, Side,
    SplitInstrumentRequest, TransferRequest,
};

/// Tells a running server what a trading desk decides: accounts, cash, rates, fees, margins, dividends, splits, settlement,
/// and trades that are taken back or put right.
///
/// Each is one call of the gRPC services AdminService and DeskService, journaled like an order, so that a replay does it
/// again. What is refused ends with exit code 1 and says why, with the limit and the value. Numbers are exact decimal text.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct DeskArgs {
    /// The server.
    #[arg(long, global = true, value_name = "ADDR", default_value = "127.0.0.1:7800")]
    addr: String,
    /// The token of a principal that may administer.
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "TIDEGATE_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    #[command(subcommand)]
    order: Order,
}

const EXAMPLES: &str = "\
Examples (TIDEGATE_TOKEN holds the token):
  tidegate desk open-account 7 USD --kind margin    a margin account in dollars
  tidegate desk transfer 7 250000                   cash for it
  tidegate desk margin ACME --initial 0.5 --maintenance 0.25
  tidegate desk tick-table ACME 0:0.0001 1:0.0002 2:0.0005 5:0.001 10:0.002
  tidegate desk rate EUR USD 1.0835                 a euro is worth so many dollars
  tidegate desk fees 1 --taker-per-lot 0.005 --order-min 1 --sell-rate 0.0000278 --sell-round 0.01
  tidegate desk assign-fees 1 --account 7
  tidegate desk dividend ACME 0.25                  for each lot
  tidegate desk split ACME 3 2 --price 61.20        three for two, fractions paid at 61.20
  tidegate desk bust 7 ORDER_ID EXEC_ID             take an execution of the day back
  tidegate desk correct 7 ORDER_ID EXEC_ID ACME --qty 100 --price 61.18
  tidegate desk mass-cancel --account 7 --side buy  cancel its open buys
  tidegate desk equity 7                            what the account is worth";

#[derive(Debug, Subcommand)]
enum Order {
    #[command(flatten)]
    OfAccounts(OfAccounts),
    #[command(flatten)]
    OfInstruments(OfInstruments),
    /// Cancel every open order in scope.
    MassCancel {
        /// Of this account; without, of all.
        #[arg(long)]
        account: Option<u32>,
        /// In this symbol; without, in all.
        #[arg(long)]
        symbol: Option<String>,
        /// Of this side; without, of both.
        #[arg(long, value_enum)]
        side: Option<OrderSide>,
    },
    /// Tell what an account is worth: one line of JSON.
    Equity {
        /// The account's number.
        account: u32,
    },
}

#[derive(Debug, Subcommand)]
enum OfAccounts {
    /// Open an account.
    OpenAccount {
        /// Its number.
        account: u32,
        /// Its base currency.
        currency: String,
        /// What it must have for what it trades.
        #[arg(long, value_enum, default_value_t = Kind::Cash)]
        kind: Kind,
        /// What of a position goes when a part of it is closed.
        #[arg(long, value_enum, default_value_t = Cost::Average)]
        cost_method: Cost,
    },
    /// Pay cash into an account, or out of it (below 0).
    Transfer {
        /// The account's number.
        account: u32,
        /// The amount; below 0 pays out.
        #[arg(allow_hyphen_values = true)]
        amount: String,
        /// Its currency; without, the base currency.
        #[arg(long)]
        currency: Option<String>,
    },
    /// Set every limit of an account.
    Limits(LimitsOrder),
    /// End the trading day: DAY orders expire, borrowing is charged.
    DayRoll,
    /// Set what one unit of a currency is worth in another; one way.
    Rate {
        /// One unit of this currency ...
        from: String,
        /// ... is worth so many of this one.
        to: String,
        /// The rate; without, it is taken away.
        rate: Option<String>,
    },
    /// Change cash of an account from one currency into another.
    Convert {
        /// The account's number.
        account: u32,
        /// The currency given.
        from: String,
        /// The currency received.
        to: String,
        /// What is given.
        amount: String,
        /// What is received, as it was dealt; without, by the rate that is set.
        #[arg(long)]
        received: Option<String>,
    },
    /// Set a schedule of fees; what is left out is 0, and a bound of 0 is none.
    Fees(Box<FeesOrder>),
    /// Give an account or an instrument a schedule of fees.
    AssignFees {
        /// The schedule's number; 0 takes it away.
        schedule: u32,
        /// The account's number.
        #[arg(long, required_unless_present = "symbol", conflicts_with = "symbol")]
        account: Option<u32>,
        /// The instrument.
        #[arg(long)]
        symbol: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum OfInstruments {
    /// Set the margins of an instrument; without any, all of the value is tied up.
    Margin {
        /// The instrument.
        symbol: String,
        /// Share of the value to open a position: 0.5 is half.
        #[arg(long, default_value = "0")]
        initial: String,
        /// Share of the value to keep it.
        #[arg(long, default_value = "0")]
        maintenance: String,
        /// Money for each lot to open a position.
        #[arg(long, default_value = "0")]
        initial_per_lot: String,
        /// Money for each lot to keep it.
        #[arg(long, default_value = "0")]
        maintenance_per_lot: String,
    },
    /// Set the steps of an instrument's order prices by price; without bands, take the table away.
    TickTable {
        /// The instrument.
        symbol: String,
        /// Bands FROM:STEP by rising price: from FROM on prices are multiples of STEP.
        #[arg(value_name = "FROM:STEP")]
        bands: Vec<String>,
    },
    /// Set what being short in an instrument costs, charged with the day roll.
    Borrow {
        /// The instrument.
        symbol: String,
        /// Share of the value a year: 0.03 is three per cent; 0 charges nothing.
        rate: String,
        /// Days of such a year.
        #[arg(long, default_value_t = 360)]
        days_per_year: u32,
    },
    /// Pay a dividend to all who are long, out of those who are short.
    Dividend {
        /// The instrument.
        symbol: String,
        /// Cash for one lot.
        amount_per_lot: String,
    },
    /// Split an instrument for all who hold it: so many lots for so many.
    Split {
        /// The instrument.
        symbol: String,
        /// Lots after it ...
        numerator: u32,
        /// ... for so many before.
        denominator: u32,
        /// What one lot after it is worth, for fractions; without, a split that leaves any is refused.
        #[arg(long)]
        price: Option<String>,
    },
    /// Set a settlement price; positions that are settled daily are paid the difference.
    Settle {
        /// The instrument.
        symbol: String,
        /// The price.
        #[arg(allow_hyphen_values = true)]
        price: String,
    },
    /// Take an execution of the day back.
    Bust {
        /// The account's number.
        account: u32,
        /// The order.
        order_id: u64,
        /// Its execution: exec_id of its report.
        exec_id: u64,
    },
    /// Put an execution of the day right.
    Correct {
        /// The account's number.
        account: u32,
        /// The order.
        order_id: u64,
        /// Its execution: exec_id of its report.
        exec_id: u64,
        /// What it trades.
        symbol: String,
        /// The quantity as it should be, at most what was executed.
        #[arg(long)]
        qty: String,
        /// The price as it should be.
        #[arg(long)]
        price: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// The whole value, each currency for its own.
    Cash,
    /// The margin of each instrument, out of all currencies together.
    Margin,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OrderSide {
    /// What buys.
    Buy,
    /// What sells.
    Sell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Cost {
    /// Its share of the average cost.
    Average,
    /// The oldest lots, at what each of them cost.
    Fifo,
}

#[derive(Debug, Args)]
struct LimitsOrder {
    /// The account's number.
    account: u32,
    /// Largest notional of one order.
    #[arg(long)]
    max_order_notional: String,
    /// Largest quantity of one order, in lots.
    #[arg(long)]
    max_order_lots: u64,
    /// Largest position in one instrument, in lots.
    #[arg(long)]
    max_position_lots: u64,
    /// Exposure allowed above the account's own funds.
    #[arg(long, default_value = "0")]
    credit: String,
    /// Widest aggressive distance from the reference price, in basis points.
    #[arg(long)]
    price_collar_bp: u32,
    /// Most open orders.
    #[arg(long)]
    max_open_orders: u32,
    /// Orders, cancels and replaces a second.
    #[arg(long)]
    messages_per_sec: u32,
    /// How many of them may come at once.
    #[arg(long)]
    message_burst: u32,
    /// Why, for the history: at most 48 characters.
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Debug, Args)]
struct FeesOrder {
    /// Its number, 1 to 256.
    schedule: u32,
    /// Share of the notional when resting; below 0 is a rebate.
    #[arg(long, default_value = "0", allow_hyphen_values = true)]
    maker_rate: String,
    /// Share of the notional when taking.
    #[arg(long, default_value = "0", allow_hyphen_values = true)]
    taker_rate: String,
    /// For each lot when resting; below 0 is a rebate.
    #[arg(long, default_value = "0", allow_hyphen_values = true)]
    maker_per_lot: String,
    /// For each lot when taking.
    #[arg(long, default_value = "0", allow_hyphen_values = true)]
    taker_per_lot: String,
    /// For each execution.
    #[arg(long, default_value = "0", allow_hyphen_values = true)]
    per_trade: String,
    /// The least commission of one execution.
    #[arg(long, default_value = "0")]
    trade_min: String,
    /// The most commission of one execution.
    #[arg(long, default_value = "0")]
    trade_max: String,
    /// The least commission of all executions of one order.
    #[arg(long, default_value = "0")]
    order_min: String,
    /// The most commission of all executions of one order.
    #[arg(long, default_value = "0")]
    order_max: String,
    /// Share of the notional of a sale, for the regulator (SEC Section 31).
    #[arg(long, default_value = "0")]
    sell_rate: String,
    /// For each lot sold, for the regulator (FINRA TAF).
    #[arg(long, default_value = "0")]
    sell_per_lot: String,
    /// The most of that for one execution.
    #[arg(long, default_value = "0")]
    sell_per_lot_max: String,
    /// What the regulator's fees are each rounded up to a multiple of.
    #[arg(long, default_value = "0")]
    sell_round: String,
}

/// Runs the command.
pub fn run(args: DeskArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the client's thread")?;
    runtime.block_on(async {
        let client = Client::connect(&args.addr, args.token.as_deref()).await?;
        let line = match args.order {
            Order::Equity { account } => equity(&client, account).await?,
            Order::MassCancel { account, symbol, side } => {
                let side = match side {
                    None => Side::Unspecified,
                    Some(OrderSide::Buy) => Side::Buy,
                    Some(OrderSide::Sell) => Side::Sell,
                };
                let symbol = symbol.unwrap_or_default();
                let request = MassCancelRequest { account, symbol, side: side.into() };
                let answer = client.mass_cancel(request).await?;
                outcome(answer.canceled, answer.reject.as_ref())?
            }
            Order::OfAccounts(order) => done(&of_accounts(&client, order).await?)?,
            Order::OfInstruments(order) => done(&of_instruments(&client, order).await?)?,
        };
        writeln!(io::stdout(), "{line}")?;
        Ok(())
    })
}

fn done(answer: &AdminResponse) -> Result<String> {
    match answer.proposal {
        0 => outcome(answer.value, answer.reject.as_ref()),
        number => Ok(format!(
            "proposal {number} waits for a second person (tidegate risk approve {number})"
        )),
    }
}

/// What was done, or why it was refused.
fn outcome(value: u64, reject: Option<&Reject>) -> Result<String> {
    match reject {
        Some(reject) => bail!("{}", refusal(reject)),
        None if value == 0 => Ok("done".to_string()),
        None => Ok(format!("done ({value})")),
    }
}

fn refusal(reject: &Reject) -> String {
    let Reject { code, text, limit, value, .. } = reject;
    format!("refused: {code}: {text} (limit {limit}, value {value})")
}

async fn equity(client: &Client, account: u32) -> Result<String> {
    let answer = client.get_equity(GetEquityRequest { account }).await?;
    if let Some(reject) = &answer.reject {
        bail!("{}", refusal(reject));
    }
    let worth = answer.equity.context("the server told neither an amount nor a reason")?;
    let line = serde_json::json!({
        "account": worth.account,
        "currency": worth.currency,
        "equity": worth.equity,
        "unrealised": worth.unrealised,
        "initial_margin": worth.initial_margin,
        "maintenance_margin": worth.maintenance_margin,
        "excess_liquidity": worth.excess_liquidity,
        "unmarked": worth.unmarked,
    });
    Ok(line.to_string())
}

async fn of_accounts(client: &Client, order: OfAccounts) -> Result<AdminResponse> {
    use OfAccounts as Order;
    let answer = match order {
        Order::OpenAccount { account, currency, kind, cost_method } => {
            let kind = match kind {
                Kind::Cash => AccountKind::Cash,
                Kind::Margin => AccountKind::Margin,
            };
            let cost_method = match cost_method {
                Cost::Average => CostMethod::Average,
                Cost::Fifo => CostMethod::Fifo,
            };
            let (kind, cost_method) = (kind.into(), cost_method.into());
            client.open_account(OpenAccountRequest { account, currency, kind, cost_method }).await
        }
        Order::Transfer { account, amount, currency } => {
            let currency = currency.unwrap_or_default();
            client.transfer(TransferRequest { account, amount, currency }).await
        }
        Order::Limits(limits) => client.set_limits(limits.request()).await,
        Order::DayRoll => client.day_roll(DayRollRequest {}).await,
        Order::Rate { from, to, rate } => {
            client.set_rate(SetRateRequest { from, to, rate: rate.unwrap_or_default() }).await
        }
        Order::Convert { account, from, to, amount, received } => {
            let received = received.unwrap_or_default();
            client.convert(ConvertRequest { account, from, to, amount, received }).await
        }
        Order::Fees(fees) => client.set_fees((*fees).request()).await,
        Order::AssignFees { schedule, account, symbol } => {
            let holder = account.map(Holder::Account).or(symbol.map(Holder::Symbol));
            client.assign_fees(AssignFeesRequest { schedule, holder }).await
        }
    };
    Ok(answer?)
}

async fn of_instruments(client: &Client, order: OfInstruments) -> Result<AdminResponse> {
    use OfInstruments as Order;
    let answer = match order {
        Order::Margin { symbol, initial, maintenance, initial_per_lot, maintenance_per_lot } => {
            let margins = SetMarginRequest {
                symbol,
                initial,
                maintenance,
                initial_per_lot,
                maintenance_per_lot,
            };
            client.set_margin(margins).await
        }
        Order::TickTable { symbol, bands } => {
            let tick_table = bands.join(" ");
            client.set_tick_table(SetTickTableRequest { symbol, tick_table }).await
        }
        Order::Borrow { symbol, rate, days_per_year } => {
            client.set_borrow(SetBorrowRequest { symbol, rate, days_per_year }).await
        }
        Order::Dividend { symbol, amount_per_lot } => {
            client.pay_dividend(PayDividendRequest { symbol, amount_per_lot }).await
        }
        Order::Split { symbol, numerator, denominator, price } => {
            let price = price.unwrap_or_default();
            let split = SplitInstrumentRequest { symbol, numerator, denominator, price };
            client.split_instrument(split).await
        }
        Order::Settle { symbol, price } => client.settle(SettleRequest { symbol, price }).await,
        Order::Bust { account, order_id, exec_id } => {
            client.bust_trade(BustTradeRequest { account, order_id, exec_id }).await
        }
        Order::Correct { account, order_id, exec_id, symbol, qty, price } => {
            let right = CorrectTradeRequest { account, order_id, exec_id, symbol, qty, price };
            client.correct_trade(right).await
        }
    };
    Ok(answer?)
}

impl LimitsOrder {
    fn request(self) -> SetLimitsRequest {
        let limits = Limits {
            account: self.account,
            max_order_notional: self.max_order_notional,
            credit: self.credit,
            max_order_lots: self.max_order_lots,
            max_position_lots: self.max_position_lots,
            price_collar_bp: self.price_collar_bp,
            max_open_orders: self.max_open_orders,
            messages_per_sec: self.messages_per_sec,
            message_burst: self.message_burst,
        };
        SetLimitsRequest { limits: Some(limits), reason: self.reason }
    }
}

impl FeesOrder {
    fn request(self) -> SetFeesRequest {
        SetFeesRequest {
            schedule: self.schedule,
            maker_rate: self.maker_rate,
            taker_rate: self.taker_rate,
            maker_per_lot: self.maker_per_lot,
            taker_per_lot: self.taker_per_lot,
            per_trade: self.per_trade,
            trade_min: self.trade_min,
            trade_max: self.trade_max,
            order_min: self.order_min,
            order_max: self.order_max,
            sell_rate: self.sell_rate,
            sell_per_lot: self.sell_per_lot,
            sell_per_lot_max: self.sell_per_lot_max,
            sell_round: self.sell_round,
        }
    }
}

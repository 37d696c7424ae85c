//! Example strategies. Read [`market_maker`] and [`momentum`] first: each is one `impl Strategy` that knows nothing of
//! where it runs. `tidegate trade` runs them over gRPC and over shared memory, `tidegate backtest` over a file, and
//! `tidegate run --strategy` inside the engine, all by [`build`].

pub mod budget;
pub mod buy_and_hold;
pub mod grid;
pub mod market_maker;
pub mod momentum;
pub mod params;

pub use params::Params;

use anyhow::{Result, bail};
use tidegate_client::strategy::Strategy;

/// The strategies by name, each with a line on what it does.
pub const STRATEGIES: [(&str, &str); 5] = [
    ("buy-and-hold", "buys each instrument once and keeps it"),
    ("grid", "keeps orders at fixed distances on both sides of the middle"),
    ("idle", "looks on and does nothing: what playing a file costs"),
    ("market-maker", "bids and offers at the touch, skewed by what it holds"),
    ("momentum", "follows a move of a second, gets out after a fixed time"),
];

/// The strategy called `name`, with what `params` say of it.
///
/// # Errors
/// Says which strategies there are, or which parameters it has and what they allow.
pub fn build(name: &str, mut params: Params) -> Result<Box<dyn Strategy + Send>> {
    let strategy = built(name, &mut params)?;
    params.done(name)?;
    Ok(strategy)
}

/// The parameters of the strategy called `name`, each with its default; none if there is no such strategy.
pub fn parameters(name: &str) -> Vec<(&'static str, u64)> {
    let mut params = Params::default();
    let _ = built(name, &mut params);
    params.known().collect()
}

fn built(name: &str, params: &mut Params) -> Result<Box<dyn Strategy + Send>> {
    Ok(match name {
        "buy-and-hold" => Box::new(buy_and_hold::BuyAndHold::new(params)?),
        "grid" => Box::new(grid::Grid::new(params)?),
        "idle" => Box::new(grid::Idle),
        "market-maker" => Box::new(market_maker::MarketMaker::new(params)?),
        "momentum" => Box::new(momentum::Momentum::new(params)?),
        _ => {
            let names: Vec<_> = STRATEGIES.iter().map(|(name, _)| *name).collect();
            bail!("there is no strategy '{name}'; there are {}", names.join(", "));
        }
    })
}

//! `tidegate risk`

mod change;
mod decide;
mod show;
mod words;

use crate::cmd::order::New;
use crate::remote::ServerArgs;
use crate::scope_text::ScopeText;
use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use tidegate_model::command::{Action, ControlKind, ReferenceKind};

/// Say who may do how much, ask what would be refused, and decide what waits for a second person.
///
/// What tightens is done at once. What loosens - a limit raised, a control taken away, a kill switch released - becomes a proposal,
/// which another person approves. Changes need the token of a person with may_control; no program can make them. Scopes are
/// firm, principal:7, account:3, strategy:5, instrument:AAPL, group:2. What each control counts stands in docs/controls.md.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct RiskArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Print the answer as one JSON object
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    ask: Ask,
}

const HELP: &str = "\
Examples (the token in TIDEGATE_TOKEN):
  tidegate risk show account:3
  tidegate risk check TIDE buy 100 --price 100.05 --account 3
  tidegate risk set account:3 max_order_notional 25000 --reason 'new desk'
  tidegate risk set firm message_rate 1000 --count 200 --reason 'venue rule'
  tidegate risk set strategy:5 execution_throttle 50 --window 1s --reason 'after the review'
  tidegate risk set instrument:TIDE volatility 500 --window 5m --hold 10m --then stop_opening --reason 'thin book'
  tidegate risk clear account:3 day_orders --reason 'plan changed'
  tidegate risk proposals
  tidegate risk approve 17
  tidegate risk history account:3
  tidegate kill account:3 --reason 'runs wild'       stops it (tidegate kill --release asks for the release)";

#[derive(Debug, Subcommand)]
enum Ask {
    /// Show controls and limits in force, and what stands still
    Show {
        /// Only of this scope
        scope: Option<ScopeText>,
    },
    /// Ask what each control would say of an order, without sending it
    Check(Box<Check>),
    /// Set one control of one scope
    Set(Box<Set>),
    /// Ask for one control of one scope to be taken away
    Clear(Clear),
    /// Show what was changed: who, when, why; the newest first
    History {
        /// Only what is about this scope
        scope: Option<ScopeText>,
        /// At most so many changes
        #[arg(long, default_value_t = 50, value_name = "COUNT")]
        limit: usize,
    },
    /// Show what waits for a second person
    Proposals {
        /// Those that are decided as well
        #[arg(long)]
        all: bool,
    },
    /// Approve a proposal, after showing what it asks for
    Approve(Decision),
    /// Refuse a proposal; whoever asked takes it back with this
    Refuse(Decision),
    /// Let a scope go on that a control stopped: too many executions, a loss, volatility
    Enable {
        /// Whom
        scope: ScopeText,
        /// Why, for the history: at most 48 characters
        #[arg(long)]
        reason: String,
    },
    /// Show who is in which group, or put somebody into one
    Group {
        /// A principal, an account, a strategy or an instrument
        #[arg(requires = "group")]
        member: Option<ScopeText>,
        /// The group; 0 takes it out of its group
        #[arg(requires = "reason")]
        group: Option<u32>,
        /// Why, for the history: at most 48 characters
        #[arg(long)]
        reason: Option<String>,
    },
    /// Show what is on the lists of instruments, or put an instrument on one
    List {
        /// The list, 1 to 64
        list: Option<u32>,
        /// The instrument to put on it
        #[arg(requires = "reason")]
        symbol: Option<String>,
        /// Take it off instead
        #[arg(long, requires = "symbol")]
        off: bool,
        /// Why, for the history: at most 48 characters
        #[arg(long)]
        reason: Option<String>,
    },
    /// Show what was located to borrow, or say how much was
    Locate {
        /// For which account
        account: Option<u32>,
        /// Of what
        #[arg(requires = "qty")]
        symbol: Option<String>,
        /// So much in all
        #[arg(requires = "reason")]
        qty: Option<String>,
        /// Why, for the history: at most 48 characters
        #[arg(long)]
        reason: Option<String>,
    },
    /// Show who there is, and what each may
    Principals,
}

#[derive(Args, Debug)]
struct Check {
    /// The account that it would trade for
    #[arg(long, default_value_t = 1)]
    account: u32,
    #[command(flatten)]
    order: New,
}

fn controls() -> PossibleValuesParser {
    PossibleValuesParser::new(ControlKind::ALL.iter().map(|control| control.as_str()))
}

fn actions() -> PossibleValuesParser {
    PossibleValuesParser::new(Action::ALL.iter().map(|action| action.as_str()))
}

fn references() -> PossibleValuesParser {
    PossibleValuesParser::new(ReferenceKind::ALL.iter().map(|reference| reference.as_str()))
}

#[derive(Args, Debug)]
struct Set {
    /// Whom it is for
    scope: ScopeText,
    /// What is limited
    #[arg(value_parser = controls())]
    control: String,
    /// The limit: money, lots, basis points or a count as the control says; 500ms for an age, 2030-12-31T20:00:00Z for a time,
    /// buy, sell or both for sides; left out where the control is only on or off
    #[arg(default_value = "")]
    limit: String,
    /// Over what time, e.g. 500ms, 5s, 10m
    #[arg(long, value_name = "SPAN")]
    window: Option<String>,
    /// For how long it holds once it is met
    #[arg(long, value_name = "SPAN")]
    hold: Option<String>,
    /// How many: the burst of a message rate, the orders before fat_finger begins
    #[arg(long, default_value_t = 0)]
    count: u32,
    /// What it does once it is met
    #[arg(long = "then", value_name = "ACTION", value_parser = actions())]
    action: Option<String>,
    /// What a collar measures from
    #[arg(long = "from", value_name = "PRICE", value_parser = references())]
    reference: Option<String>,
    /// Of volatility: it stops every instrument
    #[arg(long)]
    whole_market: bool,
    /// Why, for the history: at most 48 characters
    #[arg(long)]
    reason: String,
}

#[derive(Args, Debug)]
struct Clear {
    /// Whose
    scope: ScopeText,
    /// What was limited
    #[arg(value_parser = controls())]
    control: String,
    /// Which of its restricted lists
    #[arg(long)]
    list: Option<u32>,
    /// Why, for the history: at most 48 characters
    #[arg(long)]
    reason: String,
}

#[derive(Args, Debug)]
struct Decision {
    /// The proposal's number
    number: u64,
    /// Its hash, as it was shown; without, a terminal asks
    #[arg(long)]
    hash: Option<String>,
    /// Why, for the journal: at most 48 characters
    #[arg(long, default_value = "")]
    reason: String,
}

/// Runs the command.
pub fn run(args: RiskArgs) -> Result<()> {
    let RiskArgs { server, json, ask } = args;
    match ask {
        Ask::Show { scope } => show::in_force(&server, scope, json),
        Ask::Check(check) => show::check(&server, *check, json),
        Ask::Set(set) => change::set(&server, *set, json),
        Ask::Clear(clear) => change::clear(&server, clear, json),
        Ask::History { scope, limit } => show::history(&server, scope, limit, json),
        Ask::Proposals { all } => decide::list(&server, all, json),
        Ask::Approve(decision) => decide::approve(&server, &decision, json),
        Ask::Refuse(decision) => decide::refuse(&server, &decision, json),
        Ask::Enable { scope, reason } => change::enable(&server, scope, reason, json),
        Ask::Group { member: Some(member), group, reason } => {
            let (group, reason) = (group.unwrap_or_default(), reason.unwrap_or_default());
            change::group(&server, member, group, reason, json)
        }
        Ask::Group { .. } => show::groups(&server, json),
        Ask::List { list: Some(list), symbol: Some(symbol), off, reason } => {
            change::listed(&server, list, symbol, !off, reason.unwrap_or_default(), json)
        }
        Ask::List { list, .. } => show::listed(&server, list, json),
        Ask::Locate { account: Some(account), symbol: Some(symbol), qty, reason } => {
            let (qty, reason) = (qty.unwrap_or_default(), reason.unwrap_or_default());
            change::locate(&server, account, symbol, qty, reason, json)
        }
        Ask::Locate { account, .. } => show::locates(&server, account, json),
        Ask::Principals => show::principals(&server, json),
    }
}

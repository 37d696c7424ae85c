//! The layout of every record, field by field. A change here breaks journals, rings and shared memory: it needs
//! a new format version, not a new number in this file.

use std::mem::{align_of, offset_of, size_of};
use tidegate_model::command::{AddLatencyPoints, LatencyPoint, SetImpact, SetLatency};
use tidegate_model::command::{
    AmendTrade, AssignFees, CancelOrder, CommandRecord, Configure, Convert, CorporateAction,
    Flatten, KillSwitch, MassCancel, NewAlgorithm, NewList, NewOrder, OpenAccount, ReplaceOrder,
    ReportEquity, SetBands, SetBorrow, SetFees, SetFillModel, SetLimits, SetMargin, SetPhase,
    SetRate, SetReference, SetTickTable, SetVolumeCurve, Settle, Transfer,
};
use tidegate_model::command::{ConfirmPosition, RoutePosition, RouteReport, RouteStatus};
use tidegate_model::command::{
    Decide, Enable, GrantLocate, SetControl, SetFactors, SetGroup, SetListed, SetPrincipal,
};
use tidegate_model::event::{
    Account, Ack, Equity, EventRecord, Execution, ListStatus, PhaseChange, Position, Posting,
    Proposal, RouteDifference, RouteState, Tripped, Verdict,
};
use tidegate_model::market::{Definition, MarketEvent};
use tidegate_model::tick_table::PackedBand;
use tidegate_model::{Instrument, PublicUpdate, Scope, StateHash};

/// Size of the field that `_get` returns; never called.
fn field_size<T, F>(_get: fn(&T) -> F) -> usize {
    size_of::<F>()
}

/// Checks size, alignment and the offset of every field; the listed fields must tile the record without a hole,
/// so a field that was forgotten here fails too.
macro_rules! layout {
    ($record:ty, size $size:literal, align $align:literal, { $($offset:literal $field:ident,)+ }) => {{
        let name = stringify!($record);
        assert_eq!(size_of::<$record>(), $size, "size of {name}");
        assert_eq!(align_of::<$record>(), $align, "alignment of {name}");
        let mut next = 0;
        $(
            let offset = offset_of!($record, $field);
            assert_eq!(offset, $offset, "offset of {name}::{}", stringify!($field));
            assert_eq!(offset, next, "{name}: a hole or an unlisted field before {}", stringify!($field));
            next = offset + field_size(|record: &$record| record.$field);
        )+
        assert_eq!(next, $size, "{name}: an unlisted field at the end");
    }};
}

#[test]
fn market_records() {
    layout!(MarketEvent, size 64, align 8, {
        0 kind, 1 side, 2 flags, 4 channel_id, 8 ts_event, 16 ts_recv, 24 order_ref, 32 price, 40 qty,
        48 aux, 56 feed_seq,
    });
    layout!(Definition, size 64, align 8, {
        0 kind, 1 price_scale, 2 flags, 4 channel_id, 8 ts_event, 16 ts_recv, 24 symbol,
        48 tick_size_nano, 56 lot_size_nano,
    });
    layout!(PublicUpdate, size 56, align 8, {
        0 seq, 8 ts_event, 16 ts, 24 instrument, 28 kind, 29 side, 30 reserved, 32 price, 40 qty,
        48 orders, 52 reserved_tail,
    });
}

#[test]
fn command_records() {
    layout!(CommandRecord, size 160, align 16, {
        0 kind, 1 reserved, 8 ts_recv, 16 request_id, 24 principal, 28 session, 32 body,
    });
    layout!(NewOrder, size 128, align 8, {
        0 client_order_id, 40 account, 44 instrument, 48 side, 49 order_type, 50 time_in_force, 51 flags,
        52 post_only, 53 self_trade, 54 peg, 55 trail_unit, 56 qty, 64 price, 72 stop_price, 80 trail,
        88 offset, 96 display_qty, 104 min_qty, 112 expire_at,
        120 list_id, 124 leg, 125 reserved, 126 strategy,
    });
    layout!(NewList, size 16, align 4, {
        0 account, 4 list_id, 8 contingency, 9 leg_count, 10 reserved,
    });
    layout!(CancelOrder, size 56, align 8, {
        0 client_order_id, 40 order_id, 48 account, 52 reserved,
    });
    layout!(ReplaceOrder, size 80, align 8, {
        0 client_order_id, 40 order_id, 48 account, 52 reserved, 56 qty, 64 price, 72 stop_price,
    });
    layout!(MassCancel, size 16, align 4, { 0 account, 4 instrument, 8 side, 9 reserved, });
    layout!(OpenAccount, size 16, align 4, { 0 account, 4 cost_method, 5 kind, 6 reserved, 8 currency, });
    layout!(Transfer, size 32, align 16, { 0 amount, 16 account, 20 currency, 28 reserved, });
    layout!(SetRate, size 32, align 8, { 0 from, 8 to, 16 mantissa, 24 scale, 25 reserved, });
    layout!(Convert, size 64, align 16, {
        0 amount, 16 received, 32 from, 40 to, 48 account, 52 reserved,
    });
    layout!(SetFees, size 112, align 8, {
        0 schedule, 4 reserved, 8 maker_e8, 16 taker_e8, 24 maker_per_lot_nano, 32 taker_per_lot_nano,
        40 per_trade_nano, 48 trade_min_nano, 56 trade_max_nano, 64 order_min_nano, 72 order_max_nano,
        80 sell_e8, 88 sell_per_lot_nano, 96 sell_per_lot_max_nano, 104 sell_round_nano,
    });
    layout!(AssignFees, size 16, align 4, { 0 account, 4 instrument, 8 schedule, 12 reserved, });
    layout!(SetBorrow, size 16, align 4, {
        0 instrument, 4 rate_e6, 8 days_per_year, 10 reserved,
    });
    layout!(CorporateAction, size 48, align 16, {
        0 amount, 16 price, 24 instrument, 28 numerator, 32 denominator, 36 kind, 37 reserved,
    });
    layout!(Settle, size 16, align 8, { 0 price, 8 instrument, 12 reserved, });
    layout!(AmendTrade, size 40, align 8, {
        0 order_id, 8 exec_id, 16 qty, 24 price, 32 account, 36 kind, 37 reserved,
    });
    layout!(SetMargin, size 48, align 16, {
        0 initial_per_lot, 16 maintenance_per_lot, 32 instrument, 36 initial_e6, 40 maintenance_e6,
        44 reserved,
    });
    layout!(ReportEquity, size 8, align 4, { 0 account, 4 reserved, });
    layout!(SetPhase, size 16, align 8, { 0 instrument, 4 phase, 5 reserved, 8 due_at, });
    layout!(SetBands, size 24, align 8, {
        0 pause_ns, 8 instrument, 12 static_ppm, 16 dynamic_ppm, 20 reserved,
    });
    layout!(SetReference, size 16, align 8, { 0 price, 8 instrument, 12 reserved, });
    layout!(SetTickTable, size 128, align 4, { 0 instrument, 4 count, 5 reserved, 8 bands, });
    layout!(PackedBand, size 6, align 2, {
        0 from_digits, 2 tick_digits, 4 from_zeros, 5 tick_zeros,
    });
    layout!(SetLimits, size 128, align 16, {
        0 max_order_notional, 16 credit, 32 max_order_qty, 40 max_position, 48 price_collar_bp,
        52 max_open_orders, 56 messages_per_sec, 60 message_burst, 64 account, 68 reserved,
        80 reason,
    });
    layout!(KillSwitch, size 64, align 4, {
        0 account, 4 engaged, 5 mode, 6 reserved, 8 scope, 16 reason,
    });
    layout!(Scope, size 8, align 4, { 0 kind, 1 reserved, 4 id, });
    layout!(SetPrincipal, size 40, align 4, {
        0 principal, 4 account, 8 strategy, 10 role, 11 permissions, 12 reserved, 16 name,
    });
    layout!(SetControl, size 96, align 16, {
        0 limit, 16 window_ns, 24 hold_ns, 32 scope, 40 count, 44 control, 45 action, 46 option, 47 off,
        48 reason,
    });
    layout!(SetGroup, size 64, align 4, { 0 member, 8 group, 12 reserved, 16 reason, });
    layout!(SetListed, size 56, align 4, { 0 instrument, 4 list, 5 listed, 6 reserved, 8 reason, });
    layout!(SetFactors, size 36, align 4, { 0 instrument, 4 loadings_e6, });
    layout!(GrantLocate, size 64, align 8, { 0 qty, 8 account, 12 instrument, 16 reason, });
    layout!(Enable, size 56, align 4, { 0 scope, 8 reason, });
    layout!(Decide, size 72, align 8, { 0 proposal, 8 hash, 16 decision, 17 reserved, 24 reason, });
    layout!(SetLatency, size 24, align 8, { 0 constant_ns, 8 seed, 16 leg, 17 model, 18 reserved, });
    layout!(SetImpact, size 32, align 8, {
        0 instrument, 4 volatility_e6, 8 daily_volume, 16 half_life_ns, 24 coefficient_e4, 28 reserved,
    });
    layout!(LatencyPoint, size 16, align 8, { 0 at, 8 ns, });
    layout!(AddLatencyPoints, size 120, align 8, { 0 points, 112 leg, 113 count, 114 reserved, });
    layout!(SetFillModel, size 24, align 8, {
        0 instrument, 4 model, 5 flags, 6 reserved, 8 exponent_e3, 12 volume_share_bp, 16 log_unit,
    });
    layout!(RouteReport, size 96, align 16, {
        0 fee, 16 order_id, 24 venue_order_id, 32 exec_id, 40 cursor, 56 qty, 64 price, 72 cum_qty,
        80 attempt, 84 code, 85 route, 86 kind, 87 liquidity, 88 flags, 89 reserved,
    });
    layout!(RouteStatus, size 24, align 8, { 0 cursor, 16 route, 17 link, 18 reserved, });
    layout!(RoutePosition, size 40, align 8, { 0 symbol, 24 qty, 32 route, 33 reserved, });
    layout!(ConfirmPosition, size 8, align 4, { 0 instrument, 4 reserved, });
    layout!(Configure, size 24, align 8, {
        0 paper_latency_ns, 8 orders_max, 12 book_orders_max, 16 currency,
    });
    layout!(Instrument, size 128, align 16, {
        0 symbol, 24 venue, 32 currency, 40 tick_size_nano, 48 lot_size_nano, 56 multiplier_nano,
        64 order_tick, 72 order_tick_from, 80 order_lot, 88 maker_fee_e8, 96 taker_fee_e8,
        104 asset_class, 105 venue_kind, 106 price_scale, 107 qty_scale, 108 settlement,
        109 route, 110 reserved,
        112 money_per_tick_lot,
    });
}

#[test]
fn event_records() {
    layout!(EventRecord, size 256, align 16, {
        0 seq, 8 ordinal, 12 kind, 13 flags, 14 strategy, 16 ts, 24 request_id, 32 principal, 36 session,
        40 account, 44 instrument, 48 body,
    });
    layout!(Execution, size 208, align 16, {
        0 cum_ticks_lots, 16 fee, 32 reject_limit, 48 reject_value, 64 client_order_id, 104 order_id,
        112 qty, 120 cum_qty, 128 leaves_qty, 136 last_qty, 144 last_price, 152 price, 160 cause_seq,
        168 exec_type, 169 ord_status, 170 side, 171 order_type, 172 time_in_force, 173 liquidity,
        174 reject_reason, 175 cancel_reason, 176 queue_ahead_at_entry, 184 exec_id,
        192 parent_id, 200 fill_detail, 204 fill_model, 205 cause_kind, 206 reject_scope,
        207 reserved,
    });
    layout!(Position, size 80, align 16, {
        0 cost, 16 realised, 32 fees, 48 qty, 56 bought, 64 sold, 72 reserved,
    });
    layout!(Account, size 128, align 16, {
        0 cash, 16 deposits, 32 realised, 48 fees, 64 currency, 72 base, 80 dividends, 96 borrow,
        112 conversions,
    });
    layout!(Posting, size 48, align 16, {
        0 amount, 16 currency, 24 qty, 32 price, 40 kind, 41 reserved,
    });
    layout!(Equity, size 96, align 16, {
        0 equity, 16 unrealised, 32 currency, 40 unmarked, 44 reserved, 48 initial_margin,
        64 maintenance_margin, 80 excess_liquidity,
    });
    layout!(NewAlgorithm, size 56, align 8, {
        0 account, 4 list_id, 8 start_at, 16 end_at, 24 interval_ns, 32 slice_qty, 40 rate_bp, 44 curve, 48 algorithm,
        49 reserved,
    });
    layout!(SetVolumeCurve, size 120, align 8, {
        0 begin_ns, 8 bucket_ns, 16 curve, 20 bucket_count, 21 reserved, 24 weights,
    });
    layout!(Flatten, size 24, align 8, {
        0 at, 8 account, 12 instrument, 16 strategy, 18 reserved,
    });
    layout!(ListStatus, size 64, align 16, {
        0 reject_limit, 16 reject_value, 32 first_order_id, 40 list_id, 44 contingency, 45 leg_count, 46 status,
        47 reject_reason, 48 reserved,
    });
    layout!(RouteState, size 16, align 4, {
        0 open_orders, 4 unsure_orders, 8 route, 9 link, 10 reserved,
    });
    layout!(RouteDifference, size 40, align 8, {
        0 order_id, 8 venue_order_id, 16 here, 24 there, 32 route, 33 kind, 34 settled, 35 reserved,
    });
    layout!(PhaseChange, size 24, align 8, {
        0 reopen_at, 8 last_price, 16 phase, 17 before, 18 cause, 19 reserved,
    });
    layout!(Ack, size 48, align 16, {
        0 reject_limit, 16 reject_value, 32 value, 40 command_kind, 41 reject_reason, 42 reject_scope,
        43 reserved,
    });
    layout!(Proposal, size 168, align 8, {
        0 number, 8 hash, 16 lapses_at, 24 proposer, 28 decider, 32 command_kind, 33 status, 34 reserved, 40 body,
    });
    layout!(Verdict, size 48, align 16, {
        0 limit, 16 value, 32 scope, 40 reason, 41 passes, 42 reserved,
    });
    layout!(Tripped, size 112, align 16, {
        0 limit, 16 value, 32 until, 40 scope, 48 control, 49 action, 50 stopped, 51 reserved, 64 reason,
    });
    assert_eq!(size_of::<StateHash>(), 8);
}

/// The rows `offset size field` of the table in the head of a module.
fn documented_rows(source: &str) -> Vec<(usize, usize, String)> {
    source
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .filter_map(|line| {
            let mut words = line.trim_start_matches("//!").split_whitespace();
            let offset = words.next()?.parse().ok()?;
            let size = words.next()?.parse().ok()?;
            Some((offset, size, words.next()?.to_string()))
        })
        .collect()
}

#[test]
fn tables_in_the_documentation_are_true() {
    macro_rules! rows {
        ($record:ty: $($field:ident)+) => {
            vec![$((
                offset_of!($record, $field),
                field_size(|record: &$record| record.$field),
                stringify!($field).to_string(),
            ),)+]
        };
    }
    assert_eq!(
        documented_rows(include_str!("../src/market.rs")),
        rows!(MarketEvent: kind side flags channel_id ts_event ts_recv order_ref price qty aux feed_seq),
    );
    assert_eq!(
        documented_rows(include_str!("../src/command/mod.rs")),
        rows!(CommandRecord: kind reserved ts_recv request_id principal session body),
    );
    assert_eq!(
        documented_rows(include_str!("../src/event.rs")),
        rows!(EventRecord: seq ordinal kind flags strategy ts request_id principal session account instrument body),
    );
}

#[test]
fn bodies_fit_their_records() {
    let bodies = [
        size_of::<NewOrder>(),
        size_of::<CancelOrder>(),
        size_of::<ReplaceOrder>(),
        size_of::<MassCancel>(),
        size_of::<Instrument>(),
        size_of::<OpenAccount>(),
        size_of::<Transfer>(),
        size_of::<SetLimits>(),
        size_of::<KillSwitch>(),
        size_of::<SetPrincipal>(),
        size_of::<SetControl>(),
        size_of::<SetGroup>(),
        size_of::<SetListed>(),
        size_of::<SetFactors>(),
        size_of::<GrantLocate>(),
        size_of::<Enable>(),
        size_of::<Decide>(),
        size_of::<Configure>(),
        size_of::<SetRate>(),
        size_of::<Convert>(),
        size_of::<ReportEquity>(),
        size_of::<NewList>(),
        size_of::<NewAlgorithm>(),
        size_of::<SetVolumeCurve>(),
        size_of::<Flatten>(),
        size_of::<SetFees>(),
        size_of::<AssignFees>(),
        size_of::<SetMargin>(),
        size_of::<SetBorrow>(),
        size_of::<CorporateAction>(),
        size_of::<Settle>(),
        size_of::<AmendTrade>(),
        size_of::<SetFillModel>(),
        size_of::<SetLatency>(),
        size_of::<AddLatencyPoints>(),
        size_of::<SetImpact>(),
        size_of::<SetPhase>(),
        size_of::<SetBands>(),
        size_of::<SetReference>(),
        size_of::<SetTickTable>(),
        size_of::<RouteReport>(),
        size_of::<RouteStatus>(),
        size_of::<RoutePosition>(),
        size_of::<ConfirmPosition>(),
    ];
    assert!(bodies.iter().all(|&size| size <= 128), "{bodies:?}");
    let bodies = [
        size_of::<Execution>(),
        size_of::<Position>(),
        size_of::<Account>(),
        size_of::<Instrument>(),
        size_of::<SetLimits>(),
        size_of::<Ack>(),
        size_of::<Posting>(),
        size_of::<ListStatus>(),
        size_of::<RouteState>(),
        size_of::<RouteDifference>(),
        size_of::<Equity>(),
        size_of::<SetTickTable>(),
        size_of::<PhaseChange>(),
    ];
    assert!(bodies.iter().all(|&size| size <= 208), "{bodies:?}");
}

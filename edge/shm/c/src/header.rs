//! The header says what the engine has: every number and every offset in it is compared here, and by the C compiler with its structs.

use crate::{
    Options, TG_ARGUMENT, TG_CONNECT, TG_ENDED, TG_FULL, TG_INTERNAL, TG_LAPPED, TG_OK, TG_REFUSED,
};
use std::mem::offset_of;
use tidegate_model::ReleaseLevel;
use tidegate_model::command::{
    CancelOrder, FLAG_CANCEL_ON_DISCONNECT, FLAG_HIDDEN, MassCancel, NewOrder, OrderType, PegKind,
    PostOnly, ReplaceOrder, SelfTrade, TimeInForce, TrailUnit,
};
use tidegate_model::event::{
    Account, Ack, CancelReason, EventKind, EventRecord, ExecType, Execution, Liquidity, OrdStatus,
    Position as Held,
};
use tidegate_model::instrument::Instrument;
use tidegate_model::market::TradingStatus;
use tidegate_model::{PublicKind, PublicUpdate, RejectReason, Side};
use tidegate_shm::protocol::Position;

const HEADER: &str = include_str!("../tidegate_shm.h");

/// Lines that the header must have.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    macro_rules! numbers {
        ($($prefix:literal: $kind:ident),+ $(,)?) => { $(
            for value in $kind::ALL {
                let name = value.as_str().to_uppercase().replace('+', "_");
                lines.push(format!("    TG_{}_{name} = {},", $prefix, value.wire()));
            }
        )+ };
    }
    numbers!(
        "PUBLIC": PublicKind, "EVENT": EventKind, "EXEC": ExecType, "STATUS": OrdStatus, "SIDE": Side,
        "TRADING": TradingStatus, "LIQUIDITY": Liquidity, "CANCEL": CancelReason, "REJECT": RejectReason,
        "ORDER": OrderType, "LIVES": TimeInForce, "POST_ONLY": PostOnly, "SELF_TRADE": SelfTrade, "PEG": PegKind,
        "TRAIL": TrailUnit, "RELEASE": ReleaseLevel,
    );
    for (name, number) in [
        ("OK", TG_OK),
        ("ARGUMENT", TG_ARGUMENT),
        ("CONNECT", TG_CONNECT),
        ("REFUSED", TG_REFUSED),
        ("ENDED", TG_ENDED),
        ("LAPPED", TG_LAPPED),
        ("FULL", TG_FULL),
        ("INTERNAL", TG_INTERNAL),
        ("FLAG_CANCEL_ON_DISCONNECT", FLAG_CANCEL_ON_DISCONNECT.into()),
        ("FLAG_HIDDEN", FLAG_HIDDEN.into()),
    ] {
        lines.push(format!("    TG_{name} = {number},"));
    }
    macro_rules! layout {
        ($name:literal: $record:ident { $($field:ident),+ $(,)? }) => {
            // Naming every field once more, so that a new one is not forgotten.
            #[expect(unused_variables, reason = "only the compiler looks at it")]
            fn every(record: &$record) { let $record { $($field),+ } = record; }
            let _: fn(&$record) = every;
            lines.push(format!("TG_SIZE({}, {});", $name, size_of::<$record>()));
            $( lines.push(format!(
                "TG_AT({}, {}, {});", $name, stringify!($field), offset_of!($record, $field)
            )); )+
        };
    }
    {
        layout!("tg_position": Position { seq, ordinal, reserved });
    }
    {
        layout!("tg_attach_options": Options { after, account, resumes, level, reserved });
    }
    {
        layout!("tg_public_update": PublicUpdate {
            seq, ts_event, ts, instrument, kind, side, reserved, price, qty, orders, reserved_tail
        });
    }
    {
        layout!("tg_event": EventRecord {
            seq, ordinal, kind, flags, strategy, ts, request_id, principal, session, account, instrument, body
        });
    }
    {
        layout!("tg_execution": Execution {
            cum_ticks_lots, fee, reject_limit, reject_value, client_order_id, order_id, qty, cum_qty, leaves_qty,
            last_qty, last_price, price, cause_seq, exec_type, ord_status, side, order_type, time_in_force, liquidity,
            reject_reason, cancel_reason, queue_ahead_at_entry, exec_id, parent_id, fill_detail, fill_model, cause_kind,
            reject_scope, reserved
        });
    }
    {
        layout!("tg_held": Held { cost, realised, fees, qty, bought, sold, reserved });
    }
    {
        layout!("tg_cash": Account {
            cash, deposits, realised, fees, currency, base, dividends, borrow, conversions
        });
    }
    {
        layout!("tg_instrument": Instrument {
            symbol, venue, currency, tick_size_nano, lot_size_nano, multiplier_nano, order_tick, order_tick_from,
            order_lot, maker_fee_e8, taker_fee_e8, asset_class, venue_kind, price_scale, qty_scale, settlement, route,
            reserved, money_per_tick_lot
        });
    }
    {
        layout!("tg_ack": Ack {
            reject_limit, reject_value, value, command_kind, reject_reason, reject_scope, reserved
        });
    }
    {
        layout!("tg_new_order": NewOrder {
            client_order_id, account, instrument, side, order_type, time_in_force, flags, post_only, self_trade, peg,
            trail_unit, qty, price, stop_price, trail, offset, display_qty, min_qty, expire_at, list_id, leg, reserved,
            strategy
        });
    }
    {
        layout!("tg_cancel_order": CancelOrder { client_order_id, order_id, account, reserved });
    }
    {
        layout!("tg_replace_order": ReplaceOrder {
            client_order_id, order_id, account, reserved, qty, price, stop_price
        });
    }
    {
        layout!("tg_mass_cancel": MassCancel { account, instrument, side, reserved });
    }
    lines
}

#[test]
fn the_header_has_every_number_and_every_offset() {
    let wanted = lines();
    let is_checked = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("TG_SIZE(")
            || line.starts_with("TG_AT(")
            || line.starts_with("TG_") && line.contains(" = ")
    };
    let found: Vec<_> = HEADER.lines().filter(is_checked).collect();
    let missing: Vec<_> = wanted.iter().filter(|line| !found.contains(&line.as_str())).collect();
    let strange: Vec<_> =
        found.iter().filter(|line| !wanted.iter().any(|want| want == *line)).collect();
    assert!(
        missing.is_empty() && strange.is_empty(),
        "missing: {missing:#?}\nnot the engine's: {strange:#?}"
    );
    assert!(wanted.len() > 250, "{}", wanted.len());
}

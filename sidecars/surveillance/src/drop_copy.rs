//! The drop copy: every execution report of every account and session, as it was told (FIX drop copy).

use serde_json::{Map, Value, json};
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    CancelReason, Event, ExecType, Liquidity, OrdStatus, OrderReport, OrderType, Side, TimeInForce,
};

/// The report that an event tells, as an object of JSON in FIX's words: `msg_type` 8 is an execution report, 9 a cancel
/// reject. `None` if it tells none. What is empty is left out; a number that this version has no name for stays a number.
pub fn drop_copy(event: &Event) -> Option<Value> {
    let (msg_type, report) = match event.body.as_ref()? {
        Body::Execution(report) => ("8", report),
        Body::CancelReject(report) => ("9", report),
        _ => return None,
    };
    let mut copy = Map::new();
    copy.insert("type".into(), json!("drop_copy"));
    copy.insert("msg_type".into(), json!(msg_type));
    let position = event.position.unwrap_or_default();
    copy.insert("seq".into(), json!(position.seq));
    copy.insert("ordinal".into(), json!(position.ordinal));
    copy.insert("ts".into(), json!(event.ts));
    copy.insert("session".into(), json!(event.session));
    copy.insert("principal".into(), json!(event.principal));
    copy.insert("account".into(), json!(report.account));
    copy.insert("request_id".into(), json!(event.request_id));
    fill_in(&mut copy, report);
    Some(Value::Object(copy))
}

fn fill_in(copy: &mut Map<String, Value>, report: &OrderReport) {
    copy.insert("order_id".into(), json!(report.order_id));
    let texts = [
        ("cl_ord_id", &report.client_order_id),
        ("symbol", &report.symbol),
        ("qty", &report.qty),
        ("price", &report.price),
        ("cum_qty", &report.cum_qty),
        ("leaves_qty", &report.leaves_qty),
        ("avg_price", &report.avg_price),
        ("last_qty", &report.last_qty),
        ("last_price", &report.last_price),
        ("fee", &report.fee),
        ("currency", &report.currency),
    ];
    for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        copy.insert(name.into(), json!(text));
    }
    let name = |number: i32, name: Option<&str>, prefix: &str| match name {
        Some(name) => json!(name.strip_prefix(prefix).unwrap_or(name).to_lowercase()),
        None => json!(number),
    };
    macro_rules! word {
        ($field:ident, $type:ty, $prefix:literal) => {
            if report.$field != 0 {
                let known = <$type>::try_from(report.$field).ok().map(|it| it.as_str_name());
                copy.insert(stringify!($field).into(), name(report.$field, known, $prefix));
            }
        };
    }
    word!(exec_type, ExecType, "EXEC_TYPE_");
    word!(ord_status, OrdStatus, "ORD_STATUS_");
    word!(side, Side, "SIDE_");
    word!(order_type, OrderType, "ORDER_TYPE_");
    word!(time_in_force, TimeInForce, "TIME_IN_FORCE_");
    word!(liquidity, Liquidity, "LIQUIDITY_");
    word!(cancel_reason, CancelReason, "CANCEL_REASON_");
    if report.exec_id != 0 {
        copy.insert("exec_id".into(), json!(report.exec_id));
    }
    if report.parent_id != 0 {
        copy.insert("parent_id".into(), json!(report.parent_id));
    }
    if let Some(reject) = &report.reject {
        let refused = json!({
            "code": reject.code, "limit": reject.limit, "value": reject.value,
            "scope": reject.scope, "text": reject.text,
        });
        copy.insert("reject".into(), refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_copied_in_words() {
        let report = OrderReport {
            order_id: 5,
            account: 3,
            symbol: "TIDE".into(),
            exec_type: ExecType::Trade.into(),
            ord_status: 99,
            side: Side::Buy.into(),
            last_price: "1.5".into(),
            ..Default::default()
        };
        let event = Event { body: Some(Body::Execution(report)), ts: 9, ..Default::default() };
        let copy = drop_copy(&event).expect("a report");
        for (name, expected) in [
            ("msg_type", json!("8")),
            ("account", json!(3)),
            ("exec_type", json!("trade")),
            ("ord_status", json!(99)),
            ("side", json!("buy")),
            ("last_price", json!("1.5")),
            ("ts", json!(9)),
            ("liquidity", Value::Null),
            ("price", Value::Null),
        ] {
            assert_eq!(copy[name], expected, "{name}: {copy}");
        }
        assert_eq!(drop_copy(&Event::default()), None);
    }
}

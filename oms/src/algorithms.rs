//! Execution algorithms: what a parent order must do next, given the time and how its child stands.
//!
//! A parent works by one child at a time. The next goes out only when the one before is at its end, so that what children have
//! executed and have at work is never more than the parent's quantity, however reports and requests cross.
//!
//! What a parent is to have executed or at work by now, its target, is a function of the time and of what was traded:
//!
//! * **TWAP**: from start to end there are intervals, the last one perhaps shorter. When the k-th of n begins, k / n of the
//!   quantity.
//! * **VWAP**: when an interval begins, the share of the curve's volume from start to end that lies before the interval's end.
//!   Within a part of the curve volume is even.
//! * **POV**: the share of what the market has traded since the start. A child goes out when the target is `slice_qty` or
//!   more ahead, or when that is all there is left.
//! * **Iceberg**: what is executed, and `slice_qty` more.
//!
//! Targets are rounded down to the order lot; the last is the quantity. A child of TWAP or VWAP that is open when the next is due
//! makes way for it; one of POV does when the target is `slice_qty` beyond it. A child goes out only while the instrument
//! trades. After one that ended otherwise than filled, and after one that was refused, nothing goes out for
//! [`RETRY_NS`]; after [`REFUSED_MAX`] refusals on end the parent is canceled.

use crate::order::{Order, OrderSlot, Requester};
use serde::{Deserialize, Serialize};
use tidegate_model::command::{
    Algorithm, CURVE_BUCKETS_MAX, CURVES_MAX, NewAlgorithm, SetVolumeCurve,
};
use tidegate_model::event::{CancelReason, OrdStatus};
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Room, check_hash};
use tidegate_model::{
    InstrumentId, Lots, OrderId, Reject, RejectReason, StateHash, Ticks, UnixNanos,
};

/// Parents that may be at work at once. When one is due all are looked at, in a few microseconds.
pub const ALGORITHMS_MAX: usize = 1_024;
/// How long nothing goes out after a child that ended otherwise than filled, or could not go out: 1 s.
pub const RETRY_NS: u64 = 1_000_000_000;
/// Children refused one after the other that end their parent: what is wrong will not mend.
pub const REFUSED_MAX: u8 = 5;
/// Children of one parent at one instant: an iceberg that trades at once would reload for ever; it goes on a moment later.
pub const AT_ONCE_MAX: u8 = 8;
/// How much later: 1 ms.
const AT_ONCE_NS: u64 = 1_000_000;
/// Steps that a parent takes at once at most: for each child its quantity, its end and the next.
pub const ALGORITHM_STEPS_MAX: usize = 4 * AT_ONCE_MAX as usize;

const DAY_NS: u64 = 86_400_000_000_000;
const TAG_ALGORITHM: u64 = 0x6f6d_7361_6c67_6f00;
const TAG_CURVE: u64 = 0x6f6d_7363_7572_7665;

/// Where a parent is kept, from its entry until it is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlgorithmSlot(pub(crate) u32);

/// Why a parent ends before it is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlgorithmEnd {
    /// It is canceled, for this reason and at whose request.
    Canceled(CancelReason, Requester),
    /// Its time or day is over.
    Expired,
}

/// What a parent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlgorithmStep {
    /// Its child is to be canceled.
    Cancel(OrderSlot),
    /// A child of that quantity goes out.
    Send(Lots),
    /// It ends.
    End(AlgorithmEnd),
    /// It is at its end, and nothing of it is left: it is forgotten.
    Done,
}

/// The child at work.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Child {
    slot: OrderSlot,
    order_id: OrderId,
    /// What of its executions the parent has taken in.
    cum_qty: Lots,
    cum_ticks_lots: i128,
    /// The limit of the parent that it went out with.
    price: Ticks,
    /// The engine has asked for its cancel.
    yields: bool,
}

/// A parent at work.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Parent {
    /// The parent order.
    pub slot: OrderSlot,
    /// Its number.
    pub order_id: OrderId,
    /// How it is worked; `start_at` is a time.
    pub terms: NewAlgorithm,
    algorithm: Algorithm,
    instrument: InstrumentId,
    child: Option<Child>,
    /// Children so far, those that were refused included.
    children: u32,
    /// How many of them were refused on end.
    refused: u8,
    /// Nothing goes out before this.
    wait_until: UnixNanos,
    /// When it is to be looked at again; 0 if only an event can bring it forward.
    next_at: UnixNanos,
    /// Lots traded since the start.
    volume: u64,
    end: Option<AlgorithmEnd>,
    /// When the last child went out, and how many at that instant.
    sent_at: UnixNanos,
    sent: u8,
    /// It is among those that the engine will settle; never so between inputs.
    touched: bool,
    in_use: bool,
    hash: u64,
}

/// What a parent executes by a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenIn {
    pub qty: Lots,
    pub ticks_lots: i128,
}

/// Whether the terms of an algorithm are some.
///
/// # Errors
/// [`RejectReason::BadField`] with what is wrong.
pub fn check_algorithm(new: &NewAlgorithm, now: UnixNanos) -> Result<Algorithm, Reject> {
    use tidegate_model::command::{ALGORITHM_DURATION_MAX_NS, ALGORITHM_INTERVAL_MIN_NS};
    let bad = |value: u64| Reject::of(RejectReason::BadField, value.into());
    let algorithm = Algorithm::from_wire(new.algorithm).ok_or(bad(new.algorithm.into()))?;
    let start = new.start_at.max(now);
    if new.end_at.0 != 0 && new.end_at <= start {
        let (limit, value) = (start.0.into(), new.end_at.0.into());
        return Err(Reject::new(RejectReason::Expired, limit, value));
    }
    let has_schedule = matches!(algorithm, Algorithm::Twap | Algorithm::Vwap);
    if has_schedule {
        if new.end_at.0 == 0 || new.end_at.0 - start.0 > ALGORITHM_DURATION_MAX_NS {
            return Err(bad(new.end_at.0));
        }
        if new.interval_ns < ALGORITHM_INTERVAL_MIN_NS {
            return Err(bad(new.interval_ns));
        }
    } else if new.interval_ns != 0 {
        return Err(bad(new.interval_ns));
    }
    let is_share = (1..=10_000).contains(&new.rate_bp);
    if is_share != (algorithm == Algorithm::Pov) || !is_share && new.rate_bp != 0 {
        return Err(bad(new.rate_bp.into()));
    }
    let may_slice = !has_schedule;
    if !may_slice && new.slice_qty != Lots::ZERO
        || algorithm == Algorithm::Iceberg && new.slice_qty == Lots::ZERO
    {
        return Err(bad(new.slice_qty.0));
    }
    if algorithm != Algorithm::Vwap && new.curve != 0 {
        return Err(bad(new.curve.into()));
    }
    Ok(algorithm)
}

impl Parent {
    /// The intervals of its schedule that have begun by `now`, and all of them.
    fn intervals(&self, now: UnixNanos) -> (u64, u64) {
        let NewAlgorithm { start_at, end_at, interval_ns, .. } = self.terms;
        let count = (end_at.0 - start_at.0).div_ceil(interval_ns);
        let begun = now.0.saturating_sub(start_at.0) / interval_ns + 1;
        (begun.min(count), count)
    }

    /// What is to be executed or at work by now, of a parent of `qty` that has executed `cum_qty`.
    fn target(
        &self,
        now: UnixNanos,
        order: &Order,
        curve: Option<&SetVolumeCurve>,
        lot: u64,
    ) -> u64 {
        let qty = order.qty.0;
        let share = |part: u128, whole: u128| {
            // A volume may have more than the 64 bits that can be multiplied: its lowest ones decide nothing.
            let shift = (128 - whole.leading_zeros()).saturating_sub(64);
            let share = u128::from(qty) * (part >> shift) / (whole >> shift);
            let share = u64::try_from(share).unwrap_or(qty).min(qty);
            if share == qty { qty } else { share - share % lot }
        };
        match self.algorithm {
            Algorithm::Twap => {
                let (begun, count) = self.intervals(now);
                share(begun.into(), count.into())
            }
            Algorithm::Vwap => {
                let (begun, count) = self.intervals(now);
                let NewAlgorithm { start_at, end_at, interval_ns, .. } = self.terms;
                let Some(curve) = curve.filter(|_| begun < count) else { return qty };
                let until = UnixNanos(start_at.0 + begun * interval_ns);
                let whole = volume_between(curve, start_at, end_at);
                match whole {
                    0 => qty,
                    whole => share(volume_between(curve, start_at, until), whole),
                }
            }
            Algorithm::Pov => share(
                u128::from(self.volume) * u128::from(self.terms.rate_bp) / 10_000,
                u128::from(qty),
            ),
            Algorithm::Iceberg => order.cum_qty.0.saturating_add(self.terms.slice_qty.0).min(qty),
        }
    }

    /// The least that a child of it has.
    fn least(&self, lot: u64) -> u64 {
        match self.algorithm {
            Algorithm::Pov => self.terms.slice_qty.0.max(lot),
            _ => 1,
        }
    }

    /// What must happen next; `None` if nothing must until the time comes or something changes.
    fn next_step(&mut self, asked: &Asked<'_>) -> Option<AlgorithmStep> {
        let &Asked { now, order, child, is_trading, curve, lot } = asked;
        if let (Some(this), Some(child)) = (self.child, child) {
            if child.is_open() {
                return self.step_of_child(&this, child, asked);
            }
            self.child = None;
            if child.status == OrdStatus::Rejected {
                self.was_refused(now);
            } else {
                self.refused = 0;
                if child.status != OrdStatus::Filled && !this.yields {
                    self.wait_until = UnixNanos(now.0 + RETRY_NS);
                }
            }
        }
        if !order.is_open() {
            return Some(AlgorithmStep::Done);
        }
        if let Some(end) = self.end_by(now) {
            return Some(AlgorithmStep::End(end));
        }
        let NewAlgorithm { start_at, .. } = self.terms;
        if order.status == OrdStatus::PendingCancel || now < start_at || now < self.wait_until {
            return None;
        }
        if !is_trading {
            self.wait_until = UnixNanos(now.0 + RETRY_NS);
            return None;
        }
        let leaves = order.leaves_qty().0;
        let ahead = self.target(now, order, curve, lot).saturating_sub(order.cum_qty.0);
        let want = ahead.min(leaves);
        if want == 0 || want < self.least(lot).min(leaves) {
            return None;
        }
        if self.sent_at == now && self.sent >= AT_ONCE_MAX {
            self.wait_until = UnixNanos(now.0 + AT_ONCE_NS);
            return None;
        }
        self.sent = if self.sent_at == now { self.sent + 1 } else { 1 };
        self.sent_at = now;
        self.children = self.children.saturating_add(1);
        Some(AlgorithmStep::Send(Lots(want)))
    }

    fn step_of_child(
        &mut self,
        this: &Child,
        child: &Order,
        asked: &Asked<'_>,
    ) -> Option<AlgorithmStep> {
        let &Asked { now, order, curve, lot, .. } = asked;
        // A cancel that the venue refused is to be asked for again.
        if this.yields && child.status == OrdStatus::PendingCancel {
            return None;
        }
        let at_work = child.leaves_qty().0;
        let ahead = self.target(now, order, curve, lot).saturating_sub(order.cum_qty.0);
        let beyond = ahead.saturating_sub(at_work);
        let makes_way = match self.algorithm {
            Algorithm::Iceberg => false,
            _ => beyond > 0 && beyond >= self.least(lot),
        };
        let is_other = this.price != order.price || at_work > order.leaves_qty().0;
        let ends = self.end_by(now).is_some() || !order.is_open();
        let cancels = ends || is_other || makes_way;
        cancels.then(|| {
            self.child = Some(Child { yields: true, ..*this });
            AlgorithmStep::Cancel(this.slot)
        })
    }

    fn end_by(&self, now: UnixNanos) -> Option<AlgorithmEnd> {
        let is_over = self.terms.end_at.0 != 0 && now >= self.terms.end_at;
        self.end.or(is_over.then_some(AlgorithmEnd::Expired))
    }

    fn was_refused(&mut self, now: UnixNanos) {
        self.refused += 1;
        self.wait_until = UnixNanos(now.0 + RETRY_NS);
        if self.refused >= REFUSED_MAX && self.end.is_none() {
            let nobody = Requester::default();
            self.end = Some(AlgorithmEnd::Canceled(CancelReason::ChildrenRefused, nobody));
        }
    }

    /// When time alone can change what it must do.
    fn time_to_look(&self, now: UnixNanos) -> UnixNanos {
        let NewAlgorithm { start_at, end_at, interval_ns, .. } = self.terms;
        let slice = match self.algorithm {
            Algorithm::Twap | Algorithm::Vwap if now >= start_at => {
                let (begun, count) = self.intervals(now);
                if begun < count { UnixNanos(start_at.0 + begun * interval_ns) } else { end_at }
            }
            _ => UnixNanos::ZERO,
        };
        // With a child at work only the schedule matters.
        let wait = if self.child.is_none() { self.wait_until } else { UnixNanos::ZERO };
        let times = [start_at, end_at, slice, wait];
        times.into_iter().filter(|at| *at > now).min().unwrap_or(UnixNanos::ZERO)
    }

    fn compute_hash(&self) -> u64 {
        let words: [u64; 7] = bytemuck::cast(self.terms);
        let flags =
            u64::from(self.refused) | u64::from(self.sent) << 8 | u64::from(self.children) << 32;
        let (end, by) = match self.end {
            None => (0, 0),
            Some(AlgorithmEnd::Expired) => (1, 0),
            Some(AlgorithmEnd::Canceled(reason, who)) => {
                (2 + u64::from(reason.wire()), who.request_id)
            }
        };
        let mut hash = hash_words(TAG_ALGORITHM, &words);
        hash = hash_words(
            hash,
            &[
                self.order_id.0,
                flags,
                self.wait_until.0,
                self.next_at.0,
                self.volume,
                self.sent_at.0,
                end,
                by,
            ],
        );
        let Some(child) = self.child else { return hash };
        let sum = child.cum_ticks_lots;
        let words = [
            child.order_id.0,
            child.cum_qty.0,
            child.price.0 as u64,
            sum as u64,
            (sum >> 64) as u64,
            u64::from(child.yields),
        ];
        hash_words(hash, &words)
    }
}

/// What the curve says is traded from one time to another.
fn volume_between(curve: &SetVolumeCurve, from: UnixNanos, until: UnixNanos) -> u128 {
    let midnight = from.0 - from.0 % DAY_NS;
    let before = |at: UnixNanos| {
        // Each day is like the others.
        let since = at.0 - midnight;
        let whole: u128 = curve.weights.iter().map(|weight| u128::from(*weight)).sum();
        let days = u128::from(since / DAY_NS) * whole * u128::from(curve.bucket_ns);
        let mut left = (since % DAY_NS).saturating_sub(curve.begin_ns);
        let mut volume = 0u128;
        for weight in &curve.weights[..usize::from(curve.bucket_count)] {
            let part = left.min(curve.bucket_ns);
            volume += u128::from(*weight) * u128::from(part);
            left -= part;
        }
        days + volume
    };
    before(until) - before(from)
}

/// What a parent's next step follows from.
pub(crate) struct Asked<'a> {
    pub now: UnixNanos,
    /// The parent.
    pub order: &'a Order,
    /// The child at work.
    pub child: Option<&'a Order>,
    /// The instrument trades.
    pub is_trading: bool,
    pub curve: Option<&'a SetVolumeCurve>,
    /// The order lot, in lots.
    pub lot: u64,
}

/// Every parent at work, and the curves that they may follow.
#[derive(Debug, Serialize, Deserialize)]
pub struct Algorithms {
    #[serde(with = "Room::<ALGORITHMS_MAX>")]
    records: Vec<Parent>,
    /// Records that hold no parent, the one used next last.
    #[serde(with = "Room::<ALGORITHMS_MAX>")]
    free: Vec<u32>,
    #[serde(with = "Room::<CURVES_MAX>")]
    curves: Vec<SetVolumeCurve>,
    /// The soonest [`Parent::next_at`], or an earlier time.
    next_due: Option<UnixNanos>,
    hash: StateHash,
}

impl Algorithms {
    /// None, and room for [`ALGORITHMS_MAX`].
    pub fn new() -> Self {
        Self {
            records: Vec::with_capacity(ALGORITHMS_MAX),
            free: Vec::with_capacity(ALGORITHMS_MAX),
            curves: Vec::with_capacity(CURVES_MAX),
            next_due: None,
            hash: StateHash::default(),
        }
    }

    /// Looks at what was read from a snapshot, beside `orders` places of orders.
    pub(crate) fn restored(&self, orders: usize) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "algorithms", why);
        let mut is_free = vec![false; self.records.len()];
        for at in &self.free {
            let free = is_free.get_mut(*at as usize).filter(|free| !**free);
            *free.ok_or(Inconsistent { part: "algorithms", why: "a free place is one" })? = true;
        }
        for (parent, is_free) in self.records.iter().zip(&is_free) {
            check(parent.in_use != *is_free, "a place is free or in use")?;
            if !parent.in_use {
                continue;
            }
            let child = parent.child.is_none_or(|child| child.slot.index() < orders);
            check(parent.slot.index() < orders && child, "parents and children are orders")?;
            let curve = (parent.terms.curve as usize) < self.curves.len();
            check(parent.algorithm != Algorithm::Vwap || curve, "the curve is there")?;
            check(!parent.touched, "parents are settled between inputs")?;
            check(parent.hash == parent.compute_hash(), "they enter the state hash as they are")?;
        }
        let is_curve =
            |curve: &SetVolumeCurve| usize::from(curve.bucket_count) <= CURVE_BUCKETS_MAX;
        check(self.curves.iter().all(is_curve), "curves have their buckets")?;
        check_hash("algorithms", self.hash(), self.hash_from_scratch())
    }

    /// Lets a parent pass for which there is room, and a curve if it follows one.
    ///
    /// # Errors
    /// [`RejectReason::CapacityExceeded`] with [`ALGORITHMS_MAX`]; [`RejectReason::UnknownCurve`] for a curve that is not there or
    /// has no volume while the parent works.
    pub fn check(&self, new: &NewAlgorithm, now: UnixNanos) -> Result<Algorithm, Reject> {
        let algorithm = check_algorithm(new, now)?;
        if self.free.is_empty() && self.records.len() == ALGORITHMS_MAX {
            let max = ALGORITHMS_MAX as i128;
            return Err(Reject::new(RejectReason::CapacityExceeded, max, max));
        }
        if algorithm == Algorithm::Vwap {
            let unknown = Reject::of(RejectReason::UnknownCurve, new.curve.into());
            let curve = self.curves.get(new.curve as usize).ok_or(unknown)?;
            if volume_between(curve, new.start_at.max(now), new.end_at) == 0 {
                return Err(unknown);
            }
        }
        Ok(algorithm)
    }

    /// True if there is such a place.
    pub(crate) fn has(&self, slot: AlgorithmSlot) -> bool {
        (slot.0 as usize) < self.records.len()
    }

    /// Sets a curve.
    ///
    /// # Errors
    /// [`RejectReason::BadField`] with what is wrong; [`RejectReason::CapacityExceeded`] with [`CURVES_MAX`].
    pub fn set_curve(&mut self, set: SetVolumeCurve) -> Result<u64, Reject> {
        let bad = |value: u64| Reject::of(RejectReason::BadField, value.into());
        let count = usize::from(set.bucket_count);
        if !(1..=CURVE_BUCKETS_MAX).contains(&count) {
            return Err(bad(count as u64));
        }
        let length =
            set.bucket_ns.checked_mul(count as u64).and_then(|ns| ns.checked_add(set.begin_ns));
        if set.bucket_ns == 0 || length.is_none_or(|length| length > DAY_NS) {
            return Err(bad(set.bucket_ns));
        }
        if set.weights[count..].iter().any(|weight| *weight != 0)
            || set.weights.iter().all(|weight| *weight == 0)
        {
            return Err(bad(0));
        }
        let at = set.curve as usize;
        if at >= CURVES_MAX {
            let (max, value) = (CURVES_MAX as i128, set.curve.into());
            return Err(Reject::new(RejectReason::CapacityExceeded, max, value));
        }
        let count = self.curves.len();
        match self.curves.get_mut(at) {
            Some(curve) => {
                self.hash.remove(hash_of_curve(curve));
                *curve = set;
            }
            None if at == count => self.curves.push(set),
            None => return Err(bad(set.curve.into())),
        }
        self.hash.add(hash_of_curve(&set));
        Ok(at as u64)
    }

    /// Keeps a parent that passed [`Self::check`].
    pub(crate) fn open(
        &mut self,
        order: &Order,
        slot: OrderSlot,
        new: NewAlgorithm,
        now: UnixNanos,
    ) -> AlgorithmSlot {
        let terms = NewAlgorithm { start_at: new.start_at.max(now), ..new };
        let mut parent = Parent {
            slot,
            order_id: order.order_id,
            terms,
            algorithm: Algorithm::from_wire(new.algorithm).expect("it was checked"),
            instrument: order.instrument,
            child: None,
            children: 0,
            refused: 0,
            wait_until: UnixNanos::ZERO,
            next_at: UnixNanos::ZERO,
            volume: 0,
            end: None,
            sent_at: UnixNanos::ZERO,
            sent: 0,
            touched: false,
            in_use: true,
            hash: 0,
        };
        parent.hash = parent.compute_hash();
        self.hash.add(parent.hash);
        match self.free.pop() {
            Some(at) => {
                self.records[at as usize] = parent;
                AlgorithmSlot(at)
            }
            None => {
                self.records.push(parent);
                AlgorithmSlot(self.records.len() as u32 - 1)
            }
        }
    }

    /// The parent at `slot`, if there is one.
    pub fn get(&self, slot: AlgorithmSlot) -> Option<&Parent> {
        self.records.get(slot.0 as usize).filter(|parent| parent.in_use)
    }

    fn change<T>(&mut self, slot: AlgorithmSlot, change: impl FnOnce(&mut Parent) -> T) -> T {
        let parent = &mut self.records[slot.0 as usize];
        let changed = change(parent);
        self.hash.remove(parent.hash);
        parent.hash = parent.compute_hash();
        self.hash.add(parent.hash);
        changed
    }

    /// The slots of the parent's order and of the child at work.
    pub(crate) fn orders_of(&self, slot: AlgorithmSlot) -> (OrderSlot, Option<OrderSlot>) {
        let parent = &self.records[slot.0 as usize];
        (parent.slot, parent.child.map(|child| child.slot))
    }

    pub(crate) fn curve_of(&self, slot: AlgorithmSlot) -> Option<SetVolumeCurve> {
        let parent = &self.records[slot.0 as usize];
        let follows = parent.algorithm == Algorithm::Vwap;
        self.curves.get(parent.terms.curve as usize).filter(|_| follows).copied()
    }

    /// The number that the next child's name carries.
    pub(crate) fn child_number(&self, slot: AlgorithmSlot) -> u32 {
        self.records[slot.0 as usize].children
    }

    /// What the child has executed since this was asked last.
    pub(crate) fn take_in(&mut self, slot: AlgorithmSlot, child: &Order) -> Option<TakenIn> {
        let before = self.records[slot.0 as usize].child?;
        // An execution that was taken back gives the parent nothing back.
        let qty = child.cum_qty.0.checked_sub(before.cum_qty.0).filter(|qty| *qty > 0)?;
        self.change(slot, |parent| {
            let (cum_qty, cum_ticks_lots) = (child.cum_qty, child.cum_ticks_lots);
            parent.child = Some(Child { cum_qty, cum_ticks_lots, ..before });
        });
        Some(TakenIn { qty: Lots(qty), ticks_lots: child.cum_ticks_lots - before.cum_ticks_lots })
    }

    pub(crate) fn next_step(
        &mut self,
        slot: AlgorithmSlot,
        asked: &Asked<'_>,
    ) -> Option<AlgorithmStep> {
        let step = self.change(slot, |parent| {
            let step = parent.next_step(asked);
            parent.next_at = parent.time_to_look(asked.now);
            step
        });
        self.note_due(self.records[slot.0 as usize].next_at);
        step
    }

    fn note_due(&mut self, at: UnixNanos) {
        if at != UnixNanos::ZERO {
            self.next_due = Some(self.next_due.map_or(at, |due| due.min(at)));
        }
    }

    /// A child went out.
    pub(crate) fn adopt(
        &mut self,
        slot: AlgorithmSlot,
        child: OrderSlot,
        order_id: OrderId,
        price: Ticks,
    ) {
        let (cum_qty, cum_ticks_lots, yields) = (Lots::ZERO, 0, false);
        let child = Child { slot: child, order_id, cum_qty, cum_ticks_lots, price, yields };
        self.change(slot, |parent| parent.child = Some(child));
    }

    /// A child did not pass the gate.
    pub(crate) fn child_refused(&mut self, slot: AlgorithmSlot, now: UnixNanos) {
        self.change(slot, |parent| {
            parent.was_refused(now);
            parent.next_at = parent.time_to_look(now);
        });
        self.note_due(self.records[slot.0 as usize].next_at);
    }

    /// The parent is to end; the first reason counts.
    pub(crate) fn end(&mut self, slot: AlgorithmSlot, end: AlgorithmEnd) {
        self.change(slot, |parent| parent.end = parent.end.or(Some(end)));
    }

    /// `qty` lots of an instrument were traded: lists the parents that follow that.
    pub(crate) fn traded(
        &mut self,
        instrument: InstrumentId,
        qty: Lots,
        now: UnixNanos,
        mut tell: impl FnMut(AlgorithmSlot),
    ) {
        for at in 0..self.records.len() {
            let parent = &self.records[at];
            let follows = parent.algorithm == Algorithm::Pov && parent.instrument == instrument;
            if parent.in_use && follows && now >= parent.terms.start_at {
                let slot = AlgorithmSlot(at as u32);
                self.change(slot, |parent| parent.volume = parent.volume.saturating_add(qty.0));
                if !std::mem::replace(&mut self.records[at].touched, true) {
                    tell(slot);
                }
            }
        }
    }

    /// True if none is at work.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.free.len() == self.records.len()
    }

    /// When the next one is due, or a little before.
    #[inline]
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.next_due
    }

    /// Lists those that are due by `now`.
    pub(crate) fn due(&mut self, now: UnixNanos, mut tell: impl FnMut(AlgorithmSlot)) {
        self.next_due = None;
        for at in 0..self.records.len() {
            let parent = &mut self.records[at];
            if !parent.in_use || parent.next_at == UnixNanos::ZERO {
                continue;
            }
            if parent.next_at > now {
                let next_at = parent.next_at;
                self.note_due(next_at);
            } else if !std::mem::replace(&mut parent.touched, true) {
                tell(AlgorithmSlot(at as u32));
            }
        }
    }

    /// Notes whether the parent will be settled; false if that was noted before, or there is none.
    pub(crate) fn touch(&mut self, slot: AlgorithmSlot, touched: bool) -> bool {
        let parent = &mut self.records[slot.0 as usize];
        parent.in_use && std::mem::replace(&mut parent.touched, touched) != touched
    }

    /// The parent is at its end, and forgotten.
    pub(crate) fn close(&mut self, slot: AlgorithmSlot) {
        let parent = &mut self.records[slot.0 as usize];
        self.hash.remove(parent.hash);
        parent.in_use = false;
        parent.touched = false;
        self.free.push(slot.0);
        if self.is_empty() {
            self.next_due = None;
        }
    }

    /// How many are at work.
    pub fn count(&self) -> usize {
        self.records.len() - self.free.len()
    }

    /// The hash of every parent and curve, kept up with every change.
    pub const fn hash(&self) -> StateHash {
        self.hash
    }

    /// The same hash, computed anew; for tests and audits.
    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = StateHash::default();
        for parent in self.records.iter().filter(|parent| parent.in_use) {
            hash.add(parent.compute_hash());
        }
        for curve in &self.curves {
            hash.add(hash_of_curve(curve));
        }
        hash
    }
}

impl Default for Algorithms {
    fn default() -> Self {
        Self::new()
    }
}

fn hash_of_curve(curve: &SetVolumeCurve) -> u64 {
    let words: [u64; 15] = bytemuck::cast(*curve);
    hash_words(TAG_CURVE, &words)
}

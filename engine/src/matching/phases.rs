//! Phases, time and what ends orders by them (rules 4 and 6).

use super::hash::Place;
use super::market::Market;
use super::pool::{NONE, Pool};
use super::{Phase, Reports};
use std::cmp::Reverse;
use tidegate_model::command::TimeInForce;
use tidegate_model::event::CancelReason;
use tidegate_model::{AccountId, Side, UnixNanos};

impl Market {
    /// The market steps to another phase; to the one that it is in is no step.
    pub(super) fn set_phase(&mut self, pool: &mut Pool, phase: Phase, out: &mut impl Reports) {
        if phase == self.phase {
            return;
        }
        let closes = self.phase == Phase::CloseAuction && phase == Phase::Closed;
        if phase == Phase::Continuous || closes {
            self.step_with_auction(pool, phase, out);
            if self.phase != phase {
                return;
            }
            self.end_auction(pool, out);
        } else {
            self.phase = phase;
            out.phase(phase);
        }
        match phase {
            Phase::CloseAuction => self.join_close(pool, out),
            Phase::Closed => {
                self.end_all(pool, CancelReason::Expired, out, |pool, slot| {
                    let life = pool.node(slot).time_in_force();
                    matches!(
                        life,
                        TimeInForce::Day | TimeInForce::AtTheOpen | TimeInForce::AtTheClose
                    )
                });
            }
            // The auction's trade is looked at with what follows.
            Phase::Continuous if self.traded.is_some() => {}
            Phase::Continuous => {
                if let Some(last) = self.last {
                    self.trigger(pool, last);
                }
            }
            Phase::PreOpen | Phase::OpenAuction | Phase::Halt => {}
        }
        self.follow(pool, out);
    }

    /// Market orders and orders for this auction only that the auction left end.
    fn end_auction(&mut self, pool: &mut Pool, out: &mut impl Reports) {
        self.end_all(pool, CancelReason::NoLiquidity, out, |pool, slot| {
            pool.node(slot).place() == Place::AtMarket
        });
        self.end_all(pool, CancelReason::Expired, out, |pool, slot| {
            let node = pool.node(slot);
            let life = node.time_in_force();
            node.place() != Place::AtClose
                && matches!(life, TimeInForce::AtTheOpen | TimeInForce::AtTheClose)
        });
    }

    /// Orders for the closing auction join the book, with the stamps that they have.
    fn join_close(&mut self, pool: &mut Pool, out: &mut impl Reports) {
        while self.at_close.head != NONE {
            let slot = self.at_close.head;
            self.lift(pool, slot, out);
            let place = self.place_of(pool, slot);
            self.split(pool, slot);
            self.put_by_stamp(pool, slot, place, out);
        }
    }

    /// The market's time is `now`; it does not go back.
    pub(super) fn set_time(&mut self, pool: &mut Pool, now: UnixNanos, out: &mut impl Reports) {
        self.time = self.time.max(now);
        let mut due = false;
        while self.expiries.peek().is_some_and(|Reverse((at, _))| *at <= self.time) {
            self.expiries.pop();
            due = true;
        }
        if due {
            let time = self.time;
            self.end_all(pool, CancelReason::Expired, out, |pool, slot| {
                pool.node(slot).time_in_force() == TimeInForce::Gtd
                    && pool.special(slot).entry.terms.expire_at <= time
            });
            self.follow(pool, out);
        }
    }

    /// Notes when an order expires.
    pub(super) fn note_expiry(&mut self, at: UnixNanos, handle: u32) {
        self.expiries.push(Reverse((at, handle)));
    }

    /// Cancels every order of an account and side, or of all.
    pub(super) fn mass_cancel(
        &mut self,
        pool: &mut Pool,
        account: Option<AccountId>,
        side: Option<Side>,
        out: &mut impl Reports,
    ) {
        self.end_all(pool, CancelReason::MassCancel, out, |pool, slot| {
            let node = pool.node(slot);
            account.is_none_or(|account| node.account == account.0)
                && side.is_none_or(|side| node.side() == side)
        });
        self.follow(pool, out);
    }

    /// Ends the orders that are meant, in the order of their stamps.
    fn end_all(
        &mut self,
        pool: &mut Pool,
        reason: CancelReason,
        out: &mut impl Reports,
        is_meant: impl Fn(&Pool, u32) -> bool,
    ) {
        self.gather(pool, is_meant);
        let walk = core::mem::take(&mut self.walk);
        for &slot in &walk {
            self.end(pool, slot, reason, out);
        }
        self.walk = walk;
    }
}

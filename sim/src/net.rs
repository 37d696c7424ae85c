//! The network: what is sent arrives later, in order unless it overtakes, or not at all.

use crate::dice::Dice;
use crate::world::Odds;
use std::collections::BTreeMap;

const US: u64 = 1_000;

/// What arrives.
#[derive(Clone, Debug)]
pub enum Item {
    /// Messages on a link, one after the other.
    Bytes {
        /// The link; whoever connects numbers it.
        link: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The other end is gone.
    Closed {
        /// The link.
        link: u64,
    },
}

/// Something on its way.
#[derive(Clone, Debug)]
pub struct Wire {
    /// From which machine.
    pub from: usize,
    /// To which.
    pub to: usize,
    /// What.
    pub item: Item,
}

/// All that is on its way.
#[derive(Debug)]
pub struct Net {
    dice: Dice,
    odds: Odds,
    now: u64,
    /// By when it arrives, then by when it was sent.
    wires: BTreeMap<(u64, u64), Wire>,
    sent: u64,
    /// When the last thing between two machines arrives: what comes later does not arrive before.
    last: BTreeMap<(usize, usize), u64>,
    parted: BTreeMap<(usize, usize), u64>,
    /// From when and until when a machine takes twice its time for what it is sent.
    slow: BTreeMap<usize, (u64, u64)>,
    links: u64,
}

impl Net {
    /// A network in which things are lost and overtake as `odds` say.
    pub fn new(dice: Dice, odds: Odds) -> Self {
        Self {
            dice,
            odds,
            now: 0,
            wires: BTreeMap::new(),
            sent: 0,
            last: BTreeMap::new(),
            parted: BTreeMap::new(),
            slow: BTreeMap::new(),
            links: 0,
        }
    }

    /// A number for a new link.
    pub fn link(&mut self) -> u64 {
        self.links += 1;
        self.links
    }

    /// Time passes.
    pub fn pass(&mut self, now: u64) {
        self.now = now;
    }

    /// Sends.
    pub fn send(&mut self, from: usize, to: usize, item: Item) {
        let pair = (from.min(to), from.max(to));
        let is_parted = self.parted.get(&pair).is_some_and(|until| *until > self.now);
        let is_lost = self.odds.lost > 0 && self.dice.one_in(self.odds.lost);
        if is_parted || is_lost {
            return;
        }
        let mut due = self.now + self.dice.within(20 * US, 400 * US);
        if let Some((since, _)) = self.slow.get(&to).filter(|(_, until)| *until > self.now) {
            due += self.now - since;
        }
        let overtakes = self.odds.overtakes > 0 && self.dice.one_in(self.odds.overtakes);
        let last = self.last.entry((from, to)).or_default();
        if !overtakes {
            due = due.max(*last);
            *last = due;
        }
        self.sent += 1;
        self.wires.insert((due, self.sent), Wire { from, to, item });
    }

    /// Puts something back until `until`.
    pub fn keep(&mut self, wire: Wire, until: u64) {
        self.sent += 1;
        self.wires.insert((until, self.sent), wire);
    }

    /// The next thing that has arrived by `now`.
    pub fn next(&mut self, now: u64) -> Option<Wire> {
        let first = self.wires.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Two machines do not hear each other until then.
    pub fn part(&mut self, one: usize, other: usize, until: u64) {
        self.parted.insert((one.min(other), one.max(other)), until);
    }

    /// A machine takes what it is sent at half the pace until then, and so falls behind.
    pub fn slow(&mut self, at: usize, until: u64) {
        self.slow.insert(at, (self.now, until));
    }

    /// A process has ended: nothing reaches it any more.
    pub fn end(&mut self, at: usize) {
        self.wires.retain(|_, wire| wire.to != at);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&mut self) {
        self.odds = Odds::default();
        self.parted.clear();
        self.slow.clear();
    }
}

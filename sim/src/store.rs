//! The consensus store: one record, read and swapped at some moment between question and answer; either may be lost.

use crate::dice::Dice;
use std::collections::{BTreeMap, VecDeque};
use tidegate_replication::lease::{Answer, Ask, Question, Record, Revision};

const US: u64 = 1_000;

/// The store.
#[derive(Debug)]
pub struct Store {
    dice: Dice,
    record: Option<Record>,
    revision: u64,
    /// Questions on their way, by when they arrive.
    questions: BTreeMap<(u64, u64), (usize, Ask)>,
    asked: u64,
    answers: BTreeMap<usize, VecDeque<(u64, u64, Answer)>>,
    parted: BTreeMap<usize, u64>,
}

impl Store {
    /// An empty one.
    pub fn new(dice: Dice) -> Self {
        Self {
            dice,
            record: None,
            revision: 0,
            questions: BTreeMap::new(),
            asked: 0,
            answers: BTreeMap::new(),
            parted: BTreeMap::new(),
        }
    }

    /// A machine does not hear it until then; what it asks may arrive or not.
    pub fn part(&mut self, at: usize, until: u64) {
        self.parted.insert(at, until);
    }

    /// Everyone hears it.
    pub fn heal(&mut self) {
        self.parted.clear();
    }

    fn is_parted(&self, at: usize, now: u64) -> bool {
        self.parted.get(&at).is_some_and(|until| *until > now)
    }

    /// Takes a question.
    pub fn ask(&mut self, at: usize, now: u64, ask: Ask) {
        if self.is_parted(at, now) && self.dice.one_in(2) {
            return;
        }
        self.asked += 1;
        let due = now + self.dice.within(50 * US, 2_000 * US);
        self.questions.insert((due, self.asked), (at, ask));
    }

    /// The next answer that has arrived at a machine.
    pub fn answer_for(&mut self, at: usize, now: u64) -> Option<(u64, Answer)> {
        while let Some(first) = self.questions.first_entry().filter(|first| first.key().0 <= now) {
            let ((done, _), (from, ask)) = first.remove_entry();
            let answer = self.carry_out(ask.question);
            if self.is_parted(from, now) {
                continue;
            }
            let due = done + self.dice.within(50 * US, 2_000 * US);
            self.answers.entry(from).or_default().push_back((due, ask.number, answer));
        }
        let waiting = self.answers.get_mut(&at)?;
        let (_, number, answer) = waiting.pop_front_if(|(due, ..)| *due <= now)?;
        Some((number, answer))
    }

    fn carry_out(&mut self, question: Question) -> Answer {
        match question {
            Question::Read => {
                let revision = Revision(self.revision);
                Answer::Is(self.record.clone().map(|record| (record, revision)))
            }
            Question::Swap { expected, .. } if expected != Revision(self.revision) => {
                Answer::Differs
            }
            Question::Swap { record, .. } => {
                self.record = Some(record);
                self.revision += 1;
                Answer::Swapped(Revision(self.revision))
            }
        }
    }
}

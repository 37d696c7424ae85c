//! Where the strategy lives.

use crate::in_process::InProcess;
use tidegate_client::strategy::Strategy;
use tidegate_edge::{LockStep, LockStepError};
use tidegate_engine::core::Core;
use tidegate_engine::trader::{Answer, Step, Trader};

/// A strategy here, or in another process.
pub enum Host {
    /// In this process.
    Here(Box<InProcess<Box<dyn Strategy>>>),
    /// Over gRPC.
    There(Box<LockStep>),
}

impl Host {
    /// To be called now and then: see [`LockStep::breathe`].
    pub fn breathe(&mut self) {
        if let Self::There(strategy) = self {
            strategy.breathe();
        }
    }
}

impl Trader for Host {
    type Error = LockStepError;

    fn step(
        &mut self,
        core: &Core,
        step: &Step<'_>,
        answer: &mut Answer,
    ) -> Result<(), LockStepError> {
        match self {
            Self::Here(strategy) => match strategy.step(core, step, answer) {
                Ok(()) => Ok(()),
                Err(never) => match never {},
            },
            Self::There(strategy) => strategy.step(core, step, answer),
        }
    }
}

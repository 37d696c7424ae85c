//! Errors of Rust as exceptions of Python.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use tidegate_client::ClientError;
use tidegate_client::strategy::SharedError;
use tidegate_shm::protocol::Code;
use tidegate_shm::{Ended, ShmError};

create_exception!(
    tidegate,
    TidegateError,
    PyException,
    "What goes wrong between here and a server."
);
create_exception!(
    tidegate,
    ConnectError,
    TidegateError,
    "Nobody answers at the door, or at the address."
);
create_exception!(
    tidegate,
    RefusedError,
    TidegateError,
    "The server says no: the token, the account, or what was asked for."
);
create_exception!(
    tidegate,
    SessionEndedError,
    TidegateError,
    "The session is over. Its end cancels the orders that asked for it, which a strategy's always do."
);
create_exception!(
    tidegate,
    LappedError,
    TidegateError,
    "Public updates were missed, `skipped` of them: the reader was too slow. The session goes on with the next poll; books that were \
     kept are wrong until ask_picture() has brought a whole one."
);
create_exception!(
    tidegate,
    FullError,
    TidegateError,
    "No more requests fit: into the ring, or at the desk in one callback. Nothing was sent."
);

/// Adds the exceptions to the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("TidegateError", py.get_type::<TidegateError>())?;
    module.add("ConnectError", py.get_type::<ConnectError>())?;
    module.add("RefusedError", py.get_type::<RefusedError>())?;
    module.add("SessionEndedError", py.get_type::<SessionEndedError>())?;
    module.add("LappedError", py.get_type::<LappedError>())?;
    module.add("FullError", py.get_type::<FullError>())
}

/// Why there is no session at the door.
pub fn of_attach(error: &ShmError) -> PyErr {
    let text = error.to_string();
    match error {
        ShmError::Connect { .. } => ConnectError::new_err(text),
        ShmError::Refused { code: Code::Unauthenticated, .. } => RefusedError::new_err(format!(
            "{text}; tokens are in [[edge.tokens]] of its configuration"
        )),
        ShmError::Refused { .. } | ShmError::Token { .. } => RefusedError::new_err(text),
        _ => TidegateError::new_err(text),
    }
}

/// Why a session at the door is over.
pub fn of_ended(ended: &Ended) -> PyErr {
    SessionEndedError::new_err(ended.to_string())
}

/// Why a strategy over shared memory ended.
pub fn of_shared(error: &SharedError) -> PyErr {
    match error {
        SharedError::Attach(error) => of_attach(error),
        SharedError::Ended(ended) => of_ended(ended),
        _ => TidegateError::new_err(error.to_string()),
    }
}

/// Why a call over gRPC failed.
pub fn of_client(error: &ClientError) -> PyErr {
    let text = error.to_string();
    match error {
        ClientError::Connect { .. } | ClientError::Address { .. } => ConnectError::new_err(text),
        ClientError::SessionClosed => SessionEndedError::new_err(text),
        ClientError::Token => RefusedError::new_err(text),
        ClientError::Call { .. } if error.is_final() => RefusedError::new_err(text),
        ClientError::Call { .. } => SessionEndedError::new_err(text),
        _ => TidegateError::new_err(text),
    }
}

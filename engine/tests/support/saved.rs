//! States that are saved and read again in the middle of whatever a test does.

use tidegate_engine::core::{Core, STATE_VERSION};

/// The state as bytes.
pub fn saved(core: &Core) -> Vec<u8> {
    let mut bytes = Vec::new();
    core.save(&mut bytes);
    bytes
}

/// Puts in place of a state what is read from its bytes; those of that are the same.
pub fn reload(core: &mut Core) {
    let bytes = saved(core);
    let loaded = Core::load(STATE_VERSION, &bytes, core.state_hash());
    let loaded = loaded.unwrap_or_else(|error| panic!("after input {}: {error}", core.seq()));
    assert!(saved(&loaded) == bytes, "after input {}: it reads as something else", core.seq());
    *core = loaded;
}

/// Inputs up to which states are read again at the full rate. After them ever more rarely: a long test has a large state, and has
/// shown before what one more input changes.
const OFTEN_UP_TO: u64 = 1_000;

/// The same after one input of `each`, whose number says which.
pub fn reload_sometimes(core: &mut Core, each: u64) {
    let each = each * (1 + core.seq().0 / OFTEN_UP_TO);
    if tidegate_model::hash::fold(core.seq().0, each).is_multiple_of(each) {
        reload(core);
    }
}

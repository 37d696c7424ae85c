//! Any bytes are a message that goes round, or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_feed_handler::itch::{Decoder, Message};
use tidegate_model::UnixNanos;

fuzz_target!(|messages: Vec<&[u8]>| {
    let mut decoder = Decoder::new(UnixNanos(0));
    for bytes in messages {
        let parsed = Message::parse(bytes);
        if let Ok(message) = parsed {
            let mut back = Vec::new();
            message.write_to(&mut back);
            assert_eq!(back, bytes);
        }
        let mut events = 0;
        let decoded = decoder.decode(bytes, |_| events += 1);
        assert!(events <= 2);
        assert!(decoded.is_ok() || events == 0);
        assert!(parsed.is_ok() || decoded.is_err());
    }
});

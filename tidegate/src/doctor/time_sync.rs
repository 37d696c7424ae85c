//! Whether somebody keeps the system's clock right.
// Allowed here: neither std nor rustix asks the kernel for it.
#![allow(unsafe_code)]

use super::Finding;

const AREA: &str = "clock";
/// Half a budget of 50 ms.
const ERROR_US_MAX: i64 = 25_000;

pub fn look() -> Finding {
    // SAFETY: zeroes are a value of the structure, of which mode 0 changes nothing; the call writes it whole.
    let (state, answer) = unsafe {
        let mut answer: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut answer), answer)
    };
    judge(state, answer.status, answer.maxerror)
}

fn judge(state: i32, status: i32, error_us: i64) -> Finding {
    let is_kept = state != -1 && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0;
    let is = match (state, is_kept) {
        (-1, _) => {
            return Finding::note(
                AREA,
                "time",
                "the system does not say whether its clock is kept right",
            );
        }
        (_, true) => format!("kept right to {error_us} us at worst"),
        (_, false) => "nobody keeps the clock right".into(),
    };
    if is_kept && error_us <= ERROR_US_MAX {
        return Finding::fine(AREA, "time", is);
    }
    Finding::advice(AREA, "time", is)
        .should("kept right to some milliseconds, by NTP or PTP")
        .costs("time stamps that no other machine agrees with: latencies of feeds are wrong, and regulators ask for better")
        .change("run chrony, ntpd or ptp4l")
}

#[cfg(test)]
mod tests {
    use super::super::Level::{Advice, Fine, Note};
    use super::*;

    #[test]
    fn a_clock_that_nobody_keeps_is_told() {
        for (state, status, error_us, level) in [
            (libc::TIME_OK, 0, 900, Fine),
            (libc::TIME_OK, 0, 900_000, Advice),
            (libc::TIME_OK, libc::STA_UNSYNC, 16_000_000, Advice),
            (libc::TIME_ERROR, 0, 900, Advice),
            (-1, 0, 0, Note),
        ] {
            assert_eq!(judge(state, status, error_us).level, level, "{state} {status} {error_us}");
        }
    }
}

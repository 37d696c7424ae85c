use std::hint::black_box;
use tidegate_engine::matching::*;
use tidegate_model::command::TimeInForce;
use tidegate_model::event::CancelReason;
use tidegate_model::*;
struct Sink(u64);
impl Reports for Sink {
    #[inline(always)]
    fn accepted(&mut self, h: u32, p: Ticks) {
        self.0 = black_box(self.0 + u64::from(h) + p.0 as u64);
    }
    #[inline(always)]
    fn trade(&mut self, t: &Trade) {
        self.0 = black_box(self.0 + t.qty.0 + u64::from(t.maker));
    }
    #[inline(always)]
    fn canceled(&mut self, h: u32, q: Lots, _: CancelReason) {
        self.0 = black_box(self.0 + u64::from(h) + q.0);
    }
    #[inline(always)]
    fn replaced(&mut self, h: u32, p: Ticks, q: Lots) {
        self.0 = black_box(self.0 + u64::from(h) + p.0 as u64 + q.0);
    }
    fn triggered(&mut self, _: u32) {}
    fn rejected(&mut self, _: u32, _: Reject) {}
    #[inline(always)]
    fn refused(&mut self, h: u32, _: Reject) {
        self.0 = black_box(self.0 + u64::from(h));
    }
}
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let rounds: usize = std::env::args().nth(2).map_or(10, |s| s.parse().unwrap());
    let bytes = std::fs::read(path).unwrap();
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct M {
        kind: u8,
        side: u8,
        ioc: u8,
        qty: u32,
        id: u32,
        price: i64,
    }
    let msgs: Vec<M> = bytes[16..]
        .chunks_exact(40)
        .map(|r| M {
            kind: r[0],
            side: r[1],
            ioc: r[2],
            qty: u32::from_le_bytes(r[4..8].try_into().unwrap()),
            id: u64::from_le_bytes(r[16..24].try_into().unwrap()) as u32,
            price: i64::from_le_bytes(r[24..32].try_into().unwrap()),
        })
        .collect();
    let mut times = vec![];
    for _ in 0..rounds {
        let mut m = Markets::new(MarketLimits { orders_max: 1 << 20, handles_max: 1 << 21 });
        m.define(Ticks(1));
        m.prefault();
        let mut s = Sink(0);
        let t = std::time::Instant::now();
        for o in &msgs {
            match o.kind {
                0 => m.enter_plain(
                    0,
                    &Plain {
                        handle: o.id,
                        account: AccountId(0),
                        side: if o.side == 0 { Side::Buy } else { Side::Sell },
                        time_in_force: if o.ioc != 0 { TimeInForce::Ioc } else { TimeInForce::Gtc },
                        qty: Lots(o.qty.into()),
                        price: Ticks(o.price),
                    },
                    &mut s,
                ),
                1 => m.cancel(o.id, &mut s),
                _ => m.replace(o.id, Lots(o.qty.into()), Ticks(o.price), None, &mut s),
            }
        }
        times.push(t.elapsed().as_secs_f64() * 1e9 / msgs.len() as f64);
        black_box(s.0);
    }
    times.sort_by(f64::total_cmp);
    println!("min {:.1} median {:.1} ns/msg", times[0], times[times.len() / 2]);
}

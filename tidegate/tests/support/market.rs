//! A market played by hand: ITCH messages, one a packet, over MoldUDP64.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use tidegate_client::Client;
use tidegate_client::proto::{Book, GetBookRequest};
use tidegate_feed_handler::itch::{
    AddOrder, Header, Message, OrderDelete, OrderExecuted, StockDirectory,
};
use tidegate_feed_handler::mold_udp64::SessionName;

/// The one symbol of this market.
pub const SYMBOL: &str = "ACME";
const STOCK: [u8; 8] = *b"ACME    ";
const LOCATE: u16 = 7;
/// 09:30 in nanoseconds.
const OPEN_NS: u64 = 34_200_000_000_000;

/// A sender.
pub struct Market {
    socket: UdpSocket,
    to: SocketAddr,
    next: u64,
}

impl Market {
    /// Begins a session at its first message: the definition of [`SYMBOL`].
    pub fn open(to: SocketAddr) -> Self {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).expect("a socket");
        let mut market = Self { socket, to, next: 1 };
        let header = market.header();
        market.send(StockDirectory::share(header, STOCK));
        market
    }

    /// With 500 at 10.00 bid and 500 at 10.02 offered.
    pub fn quoted(to: SocketAddr) -> Self {
        let mut market = Self::open(to);
        market.add(1, b'B', 1_000, 500);
        market.add(2, b'S', 1_002, 500);
        market
    }

    fn header(&self) -> Header {
        Header { stock_locate: LOCATE, tracking_number: 0, timestamp: OPEN_NS + self.next * 1_000 }
    }

    fn send(&mut self, message: impl Into<Message>) {
        self.send_all(&[message.into()]);
    }

    /// One packet.
    fn send_all(&mut self, messages: &[Message]) {
        let session = SessionName::new("BYHAND").expect("a name");
        let mut packet = Vec::new();
        packet.extend_from_slice(&session.0);
        packet.extend_from_slice(&self.next.to_be_bytes());
        packet.extend_from_slice(&(messages.len() as u16).to_be_bytes());
        for message in messages {
            let mut body = Vec::new();
            message.write_to(&mut body);
            packet.extend_from_slice(&(body.len() as u16).to_be_bytes());
            packet.extend_from_slice(&body);
        }
        self.next += messages.len() as u64;
        self.socket.send_to(&packet, self.to).expect("packets are taken");
    }

    /// Orders that come and go at a price in cents, 20 messages at a time, as fast as a feed handler on a busy machine reads them. Their
    /// numbers are above a million.
    pub fn noise(&mut self, packets: u64, cents: u32) {
        for packet in 0..packets {
            let header = self.header();
            let order = |n: u64| (1_000_000 + self.next + n / 2 * 2, n.is_multiple_of(2));
            let messages = (0..20).map(|n| match order(n) {
                (order_ref, true) => {
                    let (side, shares, price) = (b'B', 100, cents * 100);
                    AddOrder { header, order_ref, side, shares, stock: STOCK, price }.into()
                }
                (order_ref, false) => OrderDelete { header, order_ref }.into(),
            });
            self.send_all(&messages.collect::<Vec<_>>());
            if packet % 4 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Displays an order of `side` (`B` or `S`) at a price in cents.
    pub fn add(&mut self, order_ref: u64, side: u8, cents: u32, shares: u32) {
        let header = self.header();
        self.send(AddOrder { header, order_ref, side, shares, stock: STOCK, price: cents * 100 });
    }

    /// Executes part of a displayed order.
    pub fn execute(&mut self, order_ref: u64, shares: u32) {
        let header = self.header();
        self.send(OrderExecuted { header, order_ref, shares, match_number: self.next });
    }

    /// Takes a displayed order away.
    pub fn delete(&mut self, order_ref: u64) {
        let header = self.header();
        self.send(OrderDelete { header, order_ref });
    }
}

/// Waits until the book of `symbol` is as it should be.
pub async fn book_with(client: &Client, symbol: &str, is_there: impl Fn(&Book) -> bool) -> Book {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut last = None;
    while Instant::now() < deadline {
        let request = GetBookRequest { symbol: symbol.into(), depth: 100 };
        match client.get_book(request).await {
            Ok(book) if is_there(&book) => return book,
            other => last = Some(other),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the book of {symbol} did not become what it should be: {last:?}");
}

/// Price and quantity of the levels of one side.
pub fn levels(side: &[tidegate_client::proto::Level]) -> Vec<(&str, &str)> {
    side.iter().map(|level| (level.price.as_str(), level.qty.as_str())).collect()
}

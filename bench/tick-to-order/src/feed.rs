//! A market over MoldUDP64: ITCH messages, many a packet.

use anyhow::{Context, Result};
use std::net::{SocketAddr, UdpSocket};
use tidegate_feed_handler::itch::{
    AddOrder, Header, Message, OrderDelete, OrderExecuted, StockDirectory,
};
use tidegate_feed_handler::mold_udp64::SessionName;

const STOCK: [u8; 8] = *b"ACME    ";
/// 09:30 in nanoseconds.
const OPEN_NS: u64 = 34_200_000_000_000;

/// A sender.
pub struct Feed {
    socket: UdpSocket,
    session: SessionName,
    next: u64,
    packet: Vec<u8>,
    body: Vec<u8>,
    messages: Vec<Message>,
}

impl Feed {
    /// Begins a session, in which the symbol has 500 at 10.00 bid and 500 at 10.02 offered.
    pub fn open(to: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        socket.connect(to)?;
        let session = SessionName::new("BENCH").context("a name of ten characters at most")?;
        let (packet, body, messages) = (Vec::new(), Vec::new(), Vec::new());
        let mut feed = Self { socket, session, next: 1, packet, body, messages };
        let header = feed.header();
        feed.messages.push(StockDirectory::share(header, STOCK).into());
        feed.add(1, b'B', 1_000, 500);
        feed.add(2, b'S', 1_002, 500);
        feed.send()?;
        Ok(feed)
    }

    fn header(&self) -> Header {
        let timestamp = OPEN_NS + self.next * 1_000;
        Header { stock_locate: 7, tracking_number: 0, timestamp }
    }

    /// Displays an order of `side` (`B` or `S`) at a price in cents.
    pub fn add(&mut self, order_ref: u64, side: u8, cents: u32, shares: u32) {
        let (header, price) = (self.header(), cents * 100);
        self.messages
            .push(AddOrder { header, order_ref, side, shares, stock: STOCK, price }.into());
    }

    /// Executes part of a displayed order.
    pub fn execute(&mut self, order_ref: u64, shares: u32) {
        let header = self.header();
        let match_number = self.next + self.messages.len() as u64;
        self.messages.push(OrderExecuted { header, order_ref, shares, match_number }.into());
    }

    /// Takes a displayed order away.
    pub fn delete(&mut self, order_ref: u64) {
        let header = self.header();
        self.messages.push(OrderDelete { header, order_ref }.into());
    }

    /// Sends what was prepared, in one packet.
    pub fn send(&mut self) -> Result<()> {
        self.packet.clear();
        self.packet.extend_from_slice(&self.session.0);
        self.packet.extend_from_slice(&self.next.to_be_bytes());
        self.packet.extend_from_slice(&(self.messages.len() as u16).to_be_bytes());
        for message in &self.messages {
            self.body.clear();
            message.write_to(&mut self.body);
            self.packet.extend_from_slice(&(self.body.len() as u16).to_be_bytes());
            self.packet.extend_from_slice(&self.body);
        }
        self.next += self.messages.len() as u64;
        self.messages.clear();
        self.socket.send(&self.packet)?;
        Ok(())
    }
}

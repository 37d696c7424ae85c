"""What a strategy is."""

from tidegate._tidegate import Book, Desk, Instrument, Report, Trade


class Strategy:
    """What a strategy does when something happens. Leave out what you do not care about: it is not even called.

    Each call is over before time goes on, and what it asks of the desk is sent when it returns. The desk can be used during a call only. An
    exception ends the strategy: what that call had asked for is not sent, everything open is canceled, and the caller of the host
    gets the exception.
    """

    def on_start(self, desk: Desk) -> None:
        """Before anything else: no instrument is there yet."""

    def on_instrument(self, instrument: Instrument, desk: Desk) -> None:
        """An instrument to trade is there: all of them at the start, or as the feed defines them."""

    def on_book(self, book: Book, desk: Desk) -> None:
        """The best bid or offer of an instrument, or its status, is new."""

    def on_trade(self, trade: Trade, desk: Desk) -> None:
        """The market traded."""

    def on_report(self, report: Report, desk: Desk) -> None:
        """One of our orders changed, or a request of ours was refused. Positions are up to date."""

    def on_fill(self, fill: Report, desk: Desk) -> None:
        """One of our orders was executed, in part or in full. It is a report too: on_report has heard it just before."""

    def on_timer(self, desk: Desk) -> None:
        """The time that Desk.wake_at or wake_in asked for has come."""

    def on_end(self, desk: Desk) -> None:
        """No more is heard after this. What is sent now still goes out; then what is open is canceled."""

-- What the trades of an interval came to, of every interval that has ended.
CREATE TABLE bars (
    symbol TEXT NOT NULL,
    -- Seconds of the interval: 60, 300, 900, 3600 or 86400. Each has bounds of its own for how long its rows are kept.
    seconds BIGINT NOT NULL,
    -- When the interval began, in seconds since the Unix epoch.
    starts_at BIGINT NOT NULL,
    -- Prices count 1e-9; volume counts 1e-9 and value 1e-18, as decimal text: they may be beyond 64 bits.
    open BIGINT NOT NULL,
    high BIGINT NOT NULL,
    low BIGINT NOT NULL,
    close BIGINT NOT NULL,
    volume TEXT NOT NULL,
    value TEXT NOT NULL,
    trades BIGINT NOT NULL,
    -- 0 if trades of the interval may have been missed.
    is_whole BIGINT NOT NULL,
    PRIMARY KEY (symbol, seconds, starts_at)
);
CREATE INDEX bars_by_age ON bars (seconds, starts_at);

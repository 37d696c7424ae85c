-- What accounts were worth at the end of each interval in which that changed; of the current one, so far.
CREATE TABLE equity_samples (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    currency TEXT NOT NULL,
    -- Seconds of an interval: 60, 3600 or 86400. Each has bounds of its own for how long its rows are kept.
    interval_s BIGINT NOT NULL,
    -- When the interval began, and when the sample was taken, in milliseconds.
    starts_at BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- Decimal text.
    equity TEXT NOT NULL,
    cash TEXT NOT NULL,
    realised TEXT NOT NULL,
    unrealised TEXT NOT NULL,
    fees TEXT NOT NULL,
    PRIMARY KEY (account_id, interval_s, starts_at, currency)
);
CREATE INDEX equity_samples_by_age ON equity_samples (interval_s, starts_at);

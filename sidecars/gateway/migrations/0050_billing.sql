-- Whom the payment service takes for which user, and what was paid for last.
CREATE TABLE subscriptions (
    user_id TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    -- The payment service's names.
    customer TEXT NOT NULL UNIQUE,
    subscription TEXT,
    status TEXT NOT NULL,
    -- The plan that is paid for; in force while the status says so.
    plan TEXT NOT NULL,
    -- Until when it is paid, in seconds since the Unix epoch.
    paid_until BIGINT,
    -- When the payment service made the event that this stands for, in seconds: an older one changes nothing.
    event_at BIGINT NOT NULL
);

-- Events of the payment service that were taken; each counts once.
CREATE TABLE billing_events (
    id TEXT PRIMARY KEY NOT NULL,
    received_at BIGINT NOT NULL
);

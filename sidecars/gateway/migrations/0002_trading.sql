-- What a POST with an Idempotency-Key was answered. A row without status is under way, or was cut off by a crash.
CREATE TABLE idempotency (
    user_id TEXT NOT NULL REFERENCES users (id),
    key TEXT NOT NULL,
    -- SHA-256 of method, path and body.
    request_hash TEXT NOT NULL,
    status BIGINT,
    response TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- Tokens that let one order of one account through, once.
CREATE TABLE trade_authorizations (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    order_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

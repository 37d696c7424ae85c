-- One SQL for SQLite and PostgreSQL: identifiers are UUIDs as text, times are milliseconds since the Unix epoch, secrets are
-- hashes or sealed, lists are JSON.
CREATE TABLE users (
    id TEXT PRIMARY KEY NOT NULL,
    -- Lower case.
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- Argon2id, in PHC form; none for those who only sign in elsewhere.
    password_hash TEXT,
    role TEXT NOT NULL,
    plan TEXT NOT NULL,
    -- What the engine takes the person for.
    principal BIGINT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    email_verified_at BIGINT,
    disabled_at BIGINT,
    -- Sealed; in force once totp_enabled_at is set.
    totp_secret TEXT,
    totp_enabled_at BIGINT,
    -- The newest 30 second step a code was taken of: none is taken twice.
    totp_last_step BIGINT NOT NULL DEFAULT 0,
    pin_hash TEXT,
    pin_failures BIGINT NOT NULL DEFAULT 0,
    preferences TEXT NOT NULL DEFAULT '{}',
    onboarded_at BIGINT
);

CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id),
    hash TEXT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (user_id, hash)
);

-- A session is a family of refresh tokens; only the one of the newest generation is good.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    ip TEXT NOT NULL,
    user_agent TEXT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    -- Permissions, a JSON list.
    scopes TEXT NOT NULL,
    -- Addresses and networks it may come from, a JSON list; empty: any.
    networks TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_by_user ON api_keys (user_id);

CREATE TABLE accounts (
    id TEXT PRIMARY KEY NOT NULL,
    -- The engine's number.
    number BIGINT NOT NULL UNIQUE,
    owner TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- When the engine had opened it and paid its first cash; none: not yet.
    opened_at BIGINT
);
CREATE INDEX accounts_by_owner ON accounts (owner);

CREATE TABLE watchlists (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    -- A JSON list.
    symbols TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, name)
);

-- Each row's hash is over the row and the hash of the row before it.
CREATE TABLE audit (
    seq BIGINT PRIMARY KEY NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    ip TEXT NOT NULL,
    request_id TEXT NOT NULL,
    hash TEXT NOT NULL
);

-- What somebody gave us to act for them at a broker.
CREATE TABLE broker_connections (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    broker TEXT NOT NULL,
    -- The credentials as JSON, sealed for this row of this user.
    sealed TEXT NOT NULL,
    -- A keyed hash of them, shortened: whether two are the same.
    fingerprint TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    rotated_at BIGINT,
    UNIQUE (user_id, name)
);

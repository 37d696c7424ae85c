-- Which order an authorization let through: the same order may come again with it after a crash, no other.
ALTER TABLE trade_authorizations ADD COLUMN used_by TEXT;

-- Whom the engine takes a user's programs for, by plan: their orders of a day are limited there.
CREATE TABLE programs (
    principal BIGINT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    plan TEXT NOT NULL,
    UNIQUE (user_id, plan)
);

-- What the engine was last told that the user is; empty: nothing yet.
ALTER TABLE users ADD COLUMN engine_role TEXT NOT NULL DEFAULT '';

-- Who somebody is at a provider of sign-ins.
CREATE TABLE external_identities (
    provider TEXT NOT NULL,
    -- The provider's own, which never changes.
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    -- The address when it was linked.
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX external_identities_by_user ON external_identities (user_id);

CREATE TABLE organisations (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE organisation_members (
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    -- owner, admin or member.
    role TEXT NOT NULL,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (organisation_id, user_id)
);
CREATE INDEX organisation_members_by_user ON organisation_members (user_id);

-- Who was asked to join; the token is in the mail, here is its hash.
CREATE TABLE organisation_invites (
    hash TEXT PRIMARY KEY NOT NULL,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX organisation_invites_by_organisation ON organisation_invites (organisation_id);

-- A text that is sealed with the secret of this database: with another one it does not open.
CREATE TABLE secret_mark (
    id BIGINT PRIMARY KEY,
    sealed TEXT NOT NULL
);

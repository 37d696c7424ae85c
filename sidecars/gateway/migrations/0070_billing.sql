-- What is paid for is asked of the payment service after each of its events: how old those are does not matter, but when it was asked.
ALTER TABLE subscriptions RENAME COLUMN event_at TO asked_at;

/*
 * The shared-memory door of Tidegate, for C (C11) and C++.
 *
 * A process on the server's machine attaches with a token, and from then on hears public data and its own events, and sends orders, over
 * memory that it shares with the engine: no call here but tg_attach, tg_detach and tg_check asks the system for anything.
 *
 *     tg_session *session;
 *     if (tg_attach("data/journal/door.sock", token, NULL, &session) != TG_OK)
 *         fprintf(stderr, "%s\n", tg_last_error());
 *
 * However the process ends, its session ends with it, and orders with TG_FLAG_CANCEL_ON_DISCONNECT are canceled.
 *
 * Rules. A session is used by one thread at a time. Every pointer points to what its type says, or is null where the call says that it
 * may be; one that may not be null and is, is TG_ARGUMENT. Records are little-endian and lie here as in the engine; the assertions below
 * fail to compile where they would not. What is written into a request is the caller's to get right: the engine checks every field of
 * it, answers with a reject, and ends the session of whoever sends what no session may.
 *
 * Prices are ticks and quantities lots; tg_instrument says what they are worth. Times are UTC nanoseconds.
 *
 * Link with -ltidegate_shm (libtidegate_shm.so), or with libtidegate_shm.a -lpthread -ldl -lm.
 * `cargo build --release -p tidegate-c` makes both.
 */
#ifndef TIDEGATE_SHM_H
#define TIDEGATE_SHM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define TG_SIZE(type, size) static_assert(sizeof(type) == (size), #type " lies otherwise than in the engine")
#define TG_AT(type, field, offset) static_assert(offsetof(type, field) == (offset), #type " lies otherwise than in the engine")
#else
#define TG_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " lies otherwise than in the engine")
#define TG_AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type " lies otherwise than in the engine")
#endif

/* What calls return; tg_poll_public and tg_poll_events return a count from 0 on instead of TG_OK. */
enum tg_result {
    /* It was done. */
    TG_OK = 0,
    /* A pointer is null, or a text or a number is none that is allowed. Nothing was done. */
    TG_ARGUMENT = -1,
    /* Nobody is at the door, or it cannot be reached. */
    TG_CONNECT = -2,
    /* The server says no: the token, the account, the release level. */
    TG_REFUSED = -3,
    /* The session is over: the text says why. Detach it; attach again, after what tg_get_position says, to hear what was missed. */
    TG_ENDED = -4,
    /* Public updates were missed: this reader was too slow. Go on polling; tg_ask_picture brings whole books. */
    TG_LAPPED = -5,
    /* The ring of orders is full. Nothing was sent; try again. */
    TG_FULL = -6,
    /* A defect of the library. Detach the session. */
    TG_INTERNAL = -7,
};

/* Flags of an order. */
enum tg_order_flag {
    TG_FLAG_CANCEL_ON_DISCONNECT = 1,
    TG_FLAG_HIDDEN = 2,
};

/* What a public update tells: its `kind`. */
enum tg_public_kind {
    TG_PUBLIC_LEVEL = 1,
    TG_PUBLIC_TRADE = 2,
    TG_PUBLIC_STATUS = 3,
    TG_PUBLIC_CLEAR = 4,
    TG_PUBLIC_PICTURE_END = 5,
    TG_PUBLIC_INDICATIVE = 6,
    TG_PUBLIC_IMBALANCE = 7,
};

/* What an event tells: its `kind`, which names the member of its body. */
enum tg_event_kind {
    TG_EVENT_EXECUTION = 1,
    TG_EVENT_CANCEL_REJECT = 2,
    TG_EVENT_POSITION = 3,
    TG_EVENT_ACCOUNT = 4,
    TG_EVENT_INSTRUMENT = 5,
    TG_EVENT_LIMITS = 6,
    TG_EVENT_ACK = 7,
    TG_EVENT_POSTING = 9,
    TG_EVENT_EQUITY = 10,
    TG_EVENT_TICK_TABLE = 15,
    TG_EVENT_LIST_STATUS = 16,
    TG_EVENT_PHASE = 20,
    TG_EVENT_ROUTE_STATE = 25,
    TG_EVENT_ROUTE_DIFFERENCE = 26,
    TG_EVENT_PRINCIPAL = 30,
    TG_EVENT_CONTROL = 31,
    TG_EVENT_GROUP = 32,
    TG_EVENT_LISTED = 33,
    TG_EVENT_FACTORS = 34,
    TG_EVENT_LOCATE = 35,
    TG_EVENT_PROPOSAL = 36,
    TG_EVENT_VERDICT = 37,
    TG_EVENT_TRIPPED = 38,
    TG_EVENT_KILL_SWITCH = 39,
};

/* Why an execution is told: its `exec_type`. */
enum tg_exec_type {
    TG_EXEC_NEW = 1,
    TG_EXEC_TRADE = 2,
    TG_EXEC_CANCELED = 3,
    TG_EXEC_REPLACED = 4,
    TG_EXEC_REJECTED = 5,
    TG_EXEC_EXPIRED = 6,
    TG_EXEC_PENDING_NEW = 7,
    TG_EXEC_PENDING_CANCEL = 8,
    TG_EXEC_PENDING_REPLACE = 9,
    TG_EXEC_TRIGGERED = 10,
    TG_EXEC_RESTATED = 11,
    TG_EXEC_DONE_FOR_DAY = 12,
    TG_EXEC_TRADE_CANCEL = 13,
    TG_EXEC_TRADE_CORRECT = 14,
    TG_EXEC_ORDER_STATUS = 15,
    TG_EXEC_PENDING_APPROVAL = 16,
};

/* Where an order stands: its `ord_status`. */
enum tg_ord_status {
    TG_STATUS_NEW = 1,
    TG_STATUS_PARTIALLY_FILLED = 2,
    TG_STATUS_FILLED = 3,
    TG_STATUS_CANCELED = 4,
    TG_STATUS_REJECTED = 5,
    TG_STATUS_EXPIRED = 6,
    TG_STATUS_PENDING_NEW = 7,
    TG_STATUS_PENDING_CANCEL = 8,
    TG_STATUS_PENDING_REPLACE = 9,
    TG_STATUS_DONE_FOR_DAY = 10,
    TG_STATUS_PENDING_APPROVAL = 11,
};

/* Sides. */
enum tg_side {
    TG_SIDE_BUY = 1,
    TG_SIDE_SELL = 2,
};

/* In the `orders` of an update whose kind is TG_PUBLIC_STATUS. */
enum tg_trading_status {
    TG_TRADING_TRADING = 1,
    TG_TRADING_HALTED = 2,
    TG_TRADING_PAUSED = 3,
    TG_TRADING_QUOTATION_ONLY = 4,
    TG_TRADING_CLOSED = 5,
};

/* Which side of the trade an order was on. */
enum tg_liquidity {
    TG_LIQUIDITY_MAKER = 1,
    TG_LIQUIDITY_TAKER = 2,
    TG_LIQUIDITY_AUCTION = 4,
};

/* Why an order was canceled without being refused. */
enum tg_cancel_reason {
    TG_CANCEL_USER = 1,
    TG_CANCEL_IOC = 2,
    TG_CANCEL_FOK = 3,
    TG_CANCEL_NO_LIQUIDITY = 4,
    TG_CANCEL_KILL_SWITCH = 5,
    TG_CANCEL_DISCONNECT = 6,
    TG_CANCEL_MASS_CANCEL = 7,
    TG_CANCEL_CANNOT_BOOK = 8,
    TG_CANCEL_MIN_QTY = 9,
    TG_CANCEL_SELF_TRADE = 10,
    TG_CANCEL_EXPIRED = 11,
    TG_CANCEL_PRICE_BAND = 12,
    TG_CANCEL_TRADE_BUST = 16,
    TG_CANCEL_LOST_AT_VENUE = 30,
    TG_CANCEL_AT_VENUE = 31,
    TG_CANCEL_CONTINGENT = 32,
    TG_CANCEL_CAPACITY = 33,
    TG_CANCEL_CHILDREN_REFUSED = 34,
    TG_CANCEL_FLATTEN = 35,
    TG_CANCEL_PARENT = 36,
    TG_CANCEL_CONTROL = 37,
};

/* Why a request was refused. */
enum tg_reject_reason {
    TG_REJECT_UNKNOWN_INSTRUMENT = 1,
    TG_REJECT_UNKNOWN_ACCOUNT = 2,
    TG_REJECT_BAD_CLIENT_ORDER_ID = 3,
    TG_REJECT_DUPLICATE_CLIENT_ORDER_ID = 4,
    TG_REJECT_BAD_FIELD = 5,
    TG_REJECT_TICK = 6,
    TG_REJECT_LOT = 7,
    TG_REJECT_ZERO_QUANTITY = 8,
    TG_REJECT_BAD_PRICE = 9,
    TG_REJECT_CAPACITY_EXCEEDED = 10,
    TG_REJECT_BAD_INSTRUMENT = 11,
    TG_REJECT_DUPLICATE_ACCOUNT = 12,
    TG_REJECT_DUPLICATE_SYMBOL = 13,
    TG_REJECT_OVERFLOW = 14,
    TG_REJECT_UNKNOWN_COMMAND = 15,
    TG_REJECT_CURRENCY_MISMATCH = 16,
    TG_REJECT_EXPIRED = 17,
    TG_REJECT_NO_RATE = 18,
    TG_REJECT_OPEN_ORDERS = 19,
    TG_REJECT_UNKNOWN_TRADE = 20,
    TG_REJECT_TOO_LATE_TO_AMEND = 21,
    TG_REJECT_UNKNOWN_ORDER = 40,
    TG_REJECT_TOO_LATE_TO_CANCEL = 41,
    TG_REJECT_PENDING_CANCEL_OR_REPLACE = 42,
    TG_REJECT_QTY_BELOW_EXECUTED = 43,
    TG_REJECT_UNSUPPORTED_BY_VENUE = 44,
    TG_REJECT_UNKNOWN_LIST = 45,
    TG_REJECT_LIST_INCOMPLETE = 46,
    TG_REJECT_CONTINGENT_OVER_COMMIT = 47,
    TG_REJECT_CONTINGENT_QTY = 48,
    TG_REJECT_UNKNOWN_CURVE = 49,
    TG_REJECT_CHILD_ORDER = 50,
    TG_REJECT_BELOW_AT_WORK = 51,
    TG_REJECT_NO_LIMITS = 80,
    TG_REJECT_KILL_SWITCH = 81,
    TG_REJECT_MAX_ORDER_QTY = 82,
    TG_REJECT_MAX_ORDER_NOTIONAL = 83,
    TG_REJECT_PRICE_COLLAR = 84,
    TG_REJECT_NO_REFERENCE_PRICE = 85,
    TG_REJECT_BUYING_POWER = 86,
    TG_REJECT_POSITION_LIMIT = 87,
    TG_REJECT_MESSAGE_RATE = 88,
    TG_REJECT_MAX_OPEN_ORDERS = 89,
    TG_REJECT_INITIAL_MARGIN = 90,
    TG_REJECT_NOT_PERMITTED = 91,
    TG_REJECT_WINDOW_COLLAR = 92,
    TG_REJECT_FAT_FINGER = 93,
    TG_REJECT_DUPLICATE_ORDER = 94,
    TG_REJECT_GROSS_EXPOSURE = 95,
    TG_REJECT_NET_EXPOSURE = 96,
    TG_REJECT_POSITION_LONG = 97,
    TG_REJECT_POSITION_SHORT = 98,
    TG_REJECT_OPEN_EXPOSURE = 99,
    TG_REJECT_DAY_NOTIONAL = 100,
    TG_REJECT_DAY_ORDERS = 101,
    TG_REJECT_DAY_TRADES = 102,
    TG_REJECT_RESTRICTED = 103,
    TG_REJECT_SHORT_SALE = 104,
    TG_REJECT_SELF_TRADE = 105,
    TG_REJECT_STALE_MARKET = 106,
    TG_REJECT_DISABLED = 107,
    TG_REJECT_DAY_LOSS = 108,
    TG_REJECT_DRAWDOWN = 109,
    TG_REJECT_FACTOR_EXPOSURE = 110,
    TG_REJECT_CONCENTRATION = 111,
    TG_REJECT_LIQUIDATION_DISTANCE = 112,
    TG_REJECT_COOL_DOWN = 113,
    TG_REJECT_VOLATILITY = 114,
    TG_REJECT_REDUCE_ONLY = 115,
    TG_REJECT_SIDE_NOT_ALLOWED = 116,
    TG_REJECT_TOKEN_EXPIRED = 117,
    TG_REJECT_APPROVAL_NEEDED = 118,
    TG_REJECT_APPROVAL_REFUSED = 119,
    TG_REJECT_APPROVAL_LAPSED = 120,
    TG_REJECT_UNKNOWN_PROPOSAL = 121,
    TG_REJECT_WRONG_HASH = 122,
    TG_REJECT_SAME_PERSON = 123,
    TG_REJECT_NOT_A_PERSON = 124,
    TG_REJECT_UNKNOWN_SCOPE = 125,
    TG_REJECT_BAD_CONTROL = 126,
    TG_REJECT_MIXED_GROUP = 127,
    TG_REJECT_NOT_TRADING = 160,
    TG_REJECT_PHASE = 161,
    TG_REJECT_POST_ONLY_WOULD_CROSS = 162,
    TG_REJECT_DUPLICATE_ID = 163,
    TG_REJECT_NO_MARKET = 164,
    TG_REJECT_ORDERS_RESTING = 179,
    TG_REJECT_ROUTE_DOWN = 180,
    TG_REJECT_ROUTE_REFUSED = 181,
    TG_REJECT_ROUTE_BLOCKED = 182,
    TG_REJECT_ROUTE_UNCERTAIN = 183,
    TG_REJECT_BAD_ROUTE = 184,
    TG_REJECT_NOT_REDUCING = 185,
};

/* How an order is priced. */
enum tg_order_type {
    TG_ORDER_MARKET = 1,
    TG_ORDER_LIMIT = 2,
    TG_ORDER_STOP = 3,
    TG_ORDER_STOP_LIMIT = 4,
    TG_ORDER_MARKET_TO_LIMIT = 5,
    TG_ORDER_MARKET_IF_TOUCHED = 6,
    TG_ORDER_LIMIT_IF_TOUCHED = 7,
    TG_ORDER_TRAILING_STOP = 8,
    TG_ORDER_TRAILING_STOP_LIMIT = 9,
    TG_ORDER_PEGGED = 10,
};

/* How long an order lives. */
enum tg_time_in_force {
    TG_LIVES_DAY = 1,
    TG_LIVES_GTC = 2,
    TG_LIVES_IOC = 3,
    TG_LIVES_FOK = 4,
    TG_LIVES_GTD = 5,
    TG_LIVES_AT_THE_OPEN = 6,
    TG_LIVES_AT_THE_CLOSE = 7,
};

/* What becomes of an order that would trade at once; 0: it trades. */
enum tg_post_only {
    TG_POST_ONLY_REJECT = 1,
    TG_POST_ONLY_SLIDE = 2,
};

/* What happens where two orders of one account would meet; 0: as the account has it. */
enum tg_self_trade {
    TG_SELF_TRADE_CANCEL_NEWEST = 1,
    TG_SELF_TRADE_CANCEL_OLDEST = 2,
    TG_SELF_TRADE_CANCEL_BOTH = 3,
    TG_SELF_TRADE_DECREMENT = 4,
};

/* What the price of a pegged order follows. */
enum tg_peg_kind {
    TG_PEG_PRIMARY = 1,
    TG_PEG_MARKET = 2,
    TG_PEG_MID = 3,
};

/* What the distance of a trailing stop is counted in. */
enum tg_trail_unit {
    TG_TRAIL_TICKS = 1,
    TG_TRAIL_PPM = 2,
};

/* What an event has waited for. */
enum tg_release_level {
    TG_RELEASE_PROCESS = 1,
    TG_RELEASE_POWER = 2,
    TG_RELEASE_REPLICA = 3,
    TG_RELEASE_REPLICA_POWER = 4,
};

/* No account, no instrument. */
#define TG_NONE UINT32_MAX

/* A whole number of 128 bits in two halves. Money is 1e-18 of its currency. */
typedef struct {
    uint64_t low;
    int64_t high;
} tg_i128;

/* A session. */
typedef struct tg_session tg_session;

/* A place among all events. */
typedef struct {
    uint64_t seq;     /* the input */
    uint32_t ordinal; /* the event's place among those of the input */
    uint32_t reserved;
} tg_position;
TG_SIZE(tg_position, 16);
TG_AT(tg_position, seq, 0);
TG_AT(tg_position, ordinal, 8);
TG_AT(tg_position, reserved, 12);

/* How to attach; null asks for none of it, which is not the same as zeros: the account must be TG_NONE if there is none. */
typedef struct {
    tg_position after; /* the last event that is known, if resumes is 1 */
    uint32_t account;  /* whose events are heard beside those of one's own requests, and whose cash and positions are told first; or TG_NONE */
    uint32_t resumes;  /* 1: hear what was told after `after` first */
    uint32_t level;    /* TG_RELEASE_*: what events wait for; 0: the server's own */
    uint32_t reserved; /* 0 */
} tg_attach_options;
TG_SIZE(tg_attach_options, 32);
TG_AT(tg_attach_options, after, 0);
TG_AT(tg_attach_options, account, 16);
TG_AT(tg_attach_options, resumes, 20);
TG_AT(tg_attach_options, level, 24);
TG_AT(tg_attach_options, reserved, 28);

/* What changed in a book, or traded, for everyone. */
typedef struct {
    uint64_t seq;      /* the input that caused it */
    uint64_t ts_event; /* exchange time of that input */
    uint64_t ts;       /* the engine's time */
    uint32_t instrument;
    uint8_t kind; /* TG_PUBLIC_* */
    uint8_t side; /* TG_SIDE_*, or 0 */
    uint8_t reserved[2];
    int64_t price;   /* ticks */
    uint64_t qty;    /* lots; of a level 0: it is gone */
    uint32_t orders; /* at the level; of TG_PUBLIC_STATUS, a TG_TRADING_* */
    uint8_t reserved_tail[4];
} tg_public_update;
TG_SIZE(tg_public_update, 56);
TG_AT(tg_public_update, seq, 0);
TG_AT(tg_public_update, ts_event, 8);
TG_AT(tg_public_update, ts, 16);
TG_AT(tg_public_update, instrument, 24);
TG_AT(tg_public_update, kind, 28);
TG_AT(tg_public_update, side, 29);
TG_AT(tg_public_update, reserved, 30);
TG_AT(tg_public_update, price, 32);
TG_AT(tg_public_update, qty, 40);
TG_AT(tg_public_update, orders, 48);
TG_AT(tg_public_update, reserved_tail, 52);

/* Body of TG_EVENT_EXECUTION and TG_EVENT_CANCEL_REJECT: an order as it stands. */
typedef struct {
    tg_i128 cum_ticks_lots; /* sum of price x quantity over all executions */
    tg_i128 fee;            /* of this execution; below 0 a rebate */
    tg_i128 reject_limit;   /* the limit that refused it */
    tg_i128 reject_value;   /* the value that was refused */
    char client_order_id[40];
    uint64_t order_id; /* 0 if it was refused before it got one */
    uint64_t qty;
    uint64_t cum_qty;
    uint64_t leaves_qty;
    uint64_t last_qty; /* executed, or canceled, by this event */
    int64_t last_price;
    int64_t price;         /* limit; 0 of market orders */
    uint64_t cause_seq;    /* the market event that caused the fill, or 0 */
    uint8_t exec_type;     /* TG_EXEC_* */
    uint8_t ord_status;    /* TG_STATUS_* */
    uint8_t side;          /* TG_SIDE_* */
    uint8_t order_type;    /* TG_ORDER_* */
    uint8_t time_in_force; /* TG_LIVES_* */
    uint8_t liquidity;     /* TG_LIQUIDITY_*, or 0 */
    uint8_t reject_reason; /* TG_REJECT_*, or 0 */
    uint8_t cancel_reason; /* TG_CANCEL_*, or 0 */
    uint64_t queue_ahead_at_entry;
    uint64_t exec_id;   /* 0 if no execution is told */
    uint64_t parent_id; /* 0 if it stands alone */
    uint32_t fill_detail;
    uint8_t fill_model;
    uint8_t cause_kind;
    uint8_t reject_scope;
    uint8_t reserved;
} tg_execution;
TG_SIZE(tg_execution, 208);
TG_AT(tg_execution, cum_ticks_lots, 0);
TG_AT(tg_execution, fee, 16);
TG_AT(tg_execution, reject_limit, 32);
TG_AT(tg_execution, reject_value, 48);
TG_AT(tg_execution, client_order_id, 64);
TG_AT(tg_execution, order_id, 104);
TG_AT(tg_execution, qty, 112);
TG_AT(tg_execution, cum_qty, 120);
TG_AT(tg_execution, leaves_qty, 128);
TG_AT(tg_execution, last_qty, 136);
TG_AT(tg_execution, last_price, 144);
TG_AT(tg_execution, price, 152);
TG_AT(tg_execution, cause_seq, 160);
TG_AT(tg_execution, exec_type, 168);
TG_AT(tg_execution, ord_status, 169);
TG_AT(tg_execution, side, 170);
TG_AT(tg_execution, order_type, 171);
TG_AT(tg_execution, time_in_force, 172);
TG_AT(tg_execution, liquidity, 173);
TG_AT(tg_execution, reject_reason, 174);
TG_AT(tg_execution, cancel_reason, 175);
TG_AT(tg_execution, queue_ahead_at_entry, 176);
TG_AT(tg_execution, exec_id, 184);
TG_AT(tg_execution, parent_id, 192);
TG_AT(tg_execution, fill_detail, 200);
TG_AT(tg_execution, fill_model, 204);
TG_AT(tg_execution, cause_kind, 205);
TG_AT(tg_execution, reject_scope, 206);
TG_AT(tg_execution, reserved, 207);

/* Body of TG_EVENT_POSITION: what an account holds of an instrument. */
typedef struct {
    tg_i128 cost;     /* of what is open: above 0 long, below 0 short */
    tg_i128 realised; /* profit and loss before fees */
    tg_i128 fees;
    int64_t qty; /* lots; below 0 short */
    uint64_t bought;
    uint64_t sold;
    uint8_t reserved[8];
} tg_held;
TG_SIZE(tg_held, 80);
TG_AT(tg_held, cost, 0);
TG_AT(tg_held, realised, 16);
TG_AT(tg_held, fees, 32);
TG_AT(tg_held, qty, 48);
TG_AT(tg_held, bought, 56);
TG_AT(tg_held, sold, 64);
TG_AT(tg_held, reserved, 72);

/* Body of TG_EVENT_ACCOUNT: an account's cash in one currency. */
typedef struct {
    tg_i128 cash;
    tg_i128 deposits;
    tg_i128 realised;
    tg_i128 fees;
    char currency[8];
    char base[8];
    tg_i128 dividends;
    tg_i128 borrow;
    tg_i128 conversions;
} tg_cash;
TG_SIZE(tg_cash, 128);
TG_AT(tg_cash, cash, 0);
TG_AT(tg_cash, deposits, 16);
TG_AT(tg_cash, realised, 32);
TG_AT(tg_cash, fees, 48);
TG_AT(tg_cash, currency, 64);
TG_AT(tg_cash, base, 72);
TG_AT(tg_cash, dividends, 80);
TG_AT(tg_cash, borrow, 96);
TG_AT(tg_cash, conversions, 112);

/* Body of TG_EVENT_INSTRUMENT: what ticks and lots of it are worth. The event's head has its number. */
typedef struct {
    char symbol[24]; /* then zeros: none if all 24 are used */
    char venue[8];
    char currency[8];
    int64_t tick_size_nano;  /* one tick, in 1e-9 of the currency */
    int64_t lot_size_nano;   /* one lot, in 1e-9 of a unit */
    int64_t multiplier_nano; /* in 1e-9 */
    int64_t order_tick;      /* step of order prices from order_tick_from up, in ticks; below it, 1 */
    int64_t order_tick_from;
    uint64_t order_lot;   /* step of order quantities */
    int64_t maker_fee_e8; /* in 1e-8 of notional */
    int64_t taker_fee_e8;
    uint8_t asset_class;
    uint8_t venue_kind;
    uint8_t price_scale;
    uint8_t qty_scale;
    uint8_t settlement;
    uint8_t route;
    uint8_t reserved[2];
    tg_i128 money_per_tick_lot;
} tg_instrument;
TG_SIZE(tg_instrument, 128);
TG_AT(tg_instrument, symbol, 0);
TG_AT(tg_instrument, venue, 24);
TG_AT(tg_instrument, currency, 32);
TG_AT(tg_instrument, tick_size_nano, 40);
TG_AT(tg_instrument, lot_size_nano, 48);
TG_AT(tg_instrument, multiplier_nano, 56);
TG_AT(tg_instrument, order_tick, 64);
TG_AT(tg_instrument, order_tick_from, 72);
TG_AT(tg_instrument, order_lot, 80);
TG_AT(tg_instrument, maker_fee_e8, 88);
TG_AT(tg_instrument, taker_fee_e8, 96);
TG_AT(tg_instrument, asset_class, 104);
TG_AT(tg_instrument, venue_kind, 105);
TG_AT(tg_instrument, price_scale, 106);
TG_AT(tg_instrument, qty_scale, 107);
TG_AT(tg_instrument, settlement, 108);
TG_AT(tg_instrument, route, 109);
TG_AT(tg_instrument, reserved, 110);
TG_AT(tg_instrument, money_per_tick_lot, 112);

/* Body of TG_EVENT_ACK: the answer to a mass cancel. */
typedef struct {
    tg_i128 reject_limit;
    tg_i128 reject_value;
    uint64_t value; /* orders canceled */
    uint8_t command_kind;
    uint8_t reject_reason; /* TG_REJECT_*, or 0 if it was done */
    uint8_t reject_scope;
    uint8_t reserved[5];
} tg_ack;
TG_SIZE(tg_ack, 48);
TG_AT(tg_ack, reject_limit, 0);
TG_AT(tg_ack, reject_value, 16);
TG_AT(tg_ack, value, 32);
TG_AT(tg_ack, command_kind, 40);
TG_AT(tg_ack, reject_reason, 41);
TG_AT(tg_ack, reject_scope, 42);
TG_AT(tg_ack, reserved, 43);

/* What the engine says. */
typedef struct {
    uint64_t seq;     /* the input that caused it */
    uint32_t ordinal; /* its place among the events of that input */
    uint8_t kind;     /* TG_EVENT_*: which member of the body means something; of other kinds, bytes */
    uint8_t flags;    /* 1: the last of its input */
    uint16_t strategy;
    uint64_t ts;         /* the engine's time */
    uint64_t request_id; /* the request that it answers, or 0 */
    uint32_t principal;
    uint32_t session;
    uint32_t account;    /* or TG_NONE */
    uint32_t instrument; /* or TG_NONE */
    union {
        tg_execution execution;
        tg_held held;
        tg_cash cash;
        tg_instrument instrument;
        tg_ack ack;
        uint8_t bytes[208];
    } body;
} tg_event;
TG_SIZE(tg_event, 256);
TG_AT(tg_event, seq, 0);
TG_AT(tg_event, ordinal, 8);
TG_AT(tg_event, kind, 12);
TG_AT(tg_event, flags, 13);
TG_AT(tg_event, strategy, 14);
TG_AT(tg_event, ts, 16);
TG_AT(tg_event, request_id, 24);
TG_AT(tg_event, principal, 32);
TG_AT(tg_event, session, 36);
TG_AT(tg_event, account, 40);
TG_AT(tg_event, instrument, 44);
TG_AT(tg_event, body, 48);

/* A new order. Begin with zeros, as in `tg_new_order order = {0};`: 0 is the usual of everything that is not said. */
typedef struct {
    char client_order_id[40]; /* its name: 1 to 36 printable ASCII characters, unique for the account's day; then zeros */
    uint32_t account;
    uint32_t instrument;
    uint8_t side;          /* TG_SIDE_* */
    uint8_t order_type;    /* TG_ORDER_* */
    uint8_t time_in_force; /* TG_LIVES_* */
    uint8_t flags;         /* TG_FLAG_* */
    uint8_t post_only;     /* TG_POST_ONLY_*, or 0 */
    uint8_t self_trade;    /* TG_SELF_TRADE_*, or 0 */
    uint8_t peg;           /* TG_PEG_*, of pegged orders */
    uint8_t trail_unit;    /* TG_TRAIL_*, of trailing orders */
    uint64_t qty;          /* lots */
    int64_t price;         /* ticks; 0 of market orders */
    int64_t stop_price;    /* ticks, of orders that wait for one */
    int64_t trail;
    int64_t offset;
    uint64_t display_qty; /* lots shown at once; 0: all */
    uint64_t min_qty;     /* lots to execute at once at least, or 0 */
    uint64_t expire_at;   /* of TG_LIVES_GTD */
    uint32_t list_id;     /* 0: lists are for gRPC */
    uint8_t leg;          /* 0 */
    uint8_t reserved;     /* 0 */
    uint16_t strategy;    /* or 0 */
} tg_new_order;
TG_SIZE(tg_new_order, 128);
TG_AT(tg_new_order, client_order_id, 0);
TG_AT(tg_new_order, account, 40);
TG_AT(tg_new_order, instrument, 44);
TG_AT(tg_new_order, side, 48);
TG_AT(tg_new_order, order_type, 49);
TG_AT(tg_new_order, time_in_force, 50);
TG_AT(tg_new_order, flags, 51);
TG_AT(tg_new_order, post_only, 52);
TG_AT(tg_new_order, self_trade, 53);
TG_AT(tg_new_order, peg, 54);
TG_AT(tg_new_order, trail_unit, 55);
TG_AT(tg_new_order, qty, 56);
TG_AT(tg_new_order, price, 64);
TG_AT(tg_new_order, stop_price, 72);
TG_AT(tg_new_order, trail, 80);
TG_AT(tg_new_order, offset, 88);
TG_AT(tg_new_order, display_qty, 96);
TG_AT(tg_new_order, min_qty, 104);
TG_AT(tg_new_order, expire_at, 112);
TG_AT(tg_new_order, list_id, 120);
TG_AT(tg_new_order, leg, 124);
TG_AT(tg_new_order, reserved, 125);
TG_AT(tg_new_order, strategy, 126);

/* The end of one order, by either name. */
typedef struct {
    char client_order_id[40]; /* or zeros */
    uint64_t order_id;        /* or 0 */
    uint32_t account;
    uint8_t reserved[4];
} tg_cancel_order;
TG_SIZE(tg_cancel_order, 56);
TG_AT(tg_cancel_order, client_order_id, 0);
TG_AT(tg_cancel_order, order_id, 40);
TG_AT(tg_cancel_order, account, 48);
TG_AT(tg_cancel_order, reserved, 52);

/* Other terms of one order, by either name. */
typedef struct {
    char client_order_id[40]; /* or zeros */
    uint64_t order_id;        /* or 0 */
    uint32_t account;
    uint8_t reserved[4];
    uint64_t qty;       /* lots, the executed part included */
    int64_t price;      /* ticks; 0 of an order that has none */
    int64_t stop_price; /* ticks; 0 leaves it as it is */
} tg_replace_order;
TG_SIZE(tg_replace_order, 80);
TG_AT(tg_replace_order, client_order_id, 0);
TG_AT(tg_replace_order, order_id, 40);
TG_AT(tg_replace_order, account, 48);
TG_AT(tg_replace_order, reserved, 52);
TG_AT(tg_replace_order, qty, 56);
TG_AT(tg_replace_order, price, 64);
TG_AT(tg_replace_order, stop_price, 72);

/* The end of every open order in scope. */
typedef struct {
    uint32_t account;    /* or TG_NONE for all that one may */
    uint32_t instrument; /* or TG_NONE for all */
    uint8_t side;        /* TG_SIDE_*, or 0 for both */
    uint8_t reserved[7];
} tg_mass_cancel;
TG_SIZE(tg_mass_cancel, 16);
TG_AT(tg_mass_cancel, account, 0);
TG_AT(tg_mass_cancel, instrument, 4);
TG_AT(tg_mass_cancel, side, 8);
TG_AT(tg_mass_cancel, reserved, 9);

/* Comes in at `door` (`[edge] door` in the server's configuration) with `token`; `options` may be null. `*session` is the session, or
 * null. Takes at most some seconds. TG_CONNECT, TG_REFUSED, TG_ARGUMENT. */
int tg_attach(const char *door, const char *token, const tg_attach_options *options, tg_session **session);

/* Ends a session and frees it; null is let be. */
void tg_detach(tg_session *session);

/* What went wrong last on this thread, and what to do; never null. It stays until the next call that fails on this thread. */
const char *tg_last_error(void);

/* Takes the public updates that are there, `max` at most (1 to 1,048,576), and returns how many: 0 if there are none. Never waits.
 * TG_LAPPED once when some were missed, so many as `*skipped` says (which may be null); TG_ENDED. */
int tg_poll_public(tg_session *session, tg_public_update *records, size_t max, uint64_t *skipped);

/* Takes the events that are there, `max` at most, and returns how many: 0 if there are none. Never waits. How things stand comes
 * first: instruments, and of the account cash and positions. TG_ENDED once everything that was told before is taken. */
int tg_poll_events(tg_session *session, tg_event *records, size_t max);

/* Send a request. `*request_id` (which may be null) is its number: events that answer it carry it. TG_FULL, TG_ENDED: it was not sent. */
int tg_submit(tg_session *session, const tg_new_order *order, uint64_t *request_id);
int tg_cancel(tg_session *session, const tg_cancel_order *cancel, uint64_t *request_id);
int tg_replace(tg_session *session, const tg_replace_order *replace, uint64_t *request_id);
int tg_mass_cancel_orders(tg_session *session, const tg_mass_cancel *scope, uint64_t *request_id);

/* Asks for a whole picture of a book among the public updates, for everyone: clear, its levels, picture_end. */
int tg_ask_picture(tg_session *session, uint32_t instrument);

/* Asks the system whether the server is still there. The polls do so by themselves when they have looked in vain for long. */
int tg_check(tg_session *session);

/* The session's number, which events of its requests carry, and whom the engine takes its requests for; each may be null. */
int tg_identity(tg_session *session, uint32_t *number, uint32_t *principal);

/* The last event that was polled: where to resume. */
int tg_get_position(tg_session *session, tg_position *position);

#ifdef __cplusplus
}
#endif

#endif

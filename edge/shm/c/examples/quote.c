/*
 * A strategy in C: keeps one buy order at the best bid, and sells what it has bought at the best offer.
 *
 *     cargo build --release -p tidegate-c
 *     cc -std=c11 -Wall -I edge/shm/c edge/shm/c/examples/quote.c target/release/libtidegate_shm.a -lpthread -ldl -lm -o quote
 *     TIDEGATE_TOKEN=... ./quote data/journal/door.sock TIDE 1 10
 *
 * The arguments are the door, the symbol, the account, and seconds. Its orders are canceled when it ends, however it does.
 */
#define _POSIX_C_SOURCE 200809L

#include "tidegate_shm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 256
#define LOTS 100

/* One side of the market: the best level only needs all of them, so they are kept, sorted from the worst to the best. */
#define LEVELS_MAX 4096
typedef struct {
    int64_t price[LEVELS_MAX];
    uint64_t qty[LEVELS_MAX];
    size_t count;
} side_levels;

typedef struct {
    tg_session *session;
    uint32_t account, instrument;
    int is_known, is_whole;
    side_levels sides[2]; /* bids, offers */
    int64_t held;
    int64_t quote;      /* price of our buy order; 0: none */
    char quote_name[40];
    int is_selling, is_pending;
    unsigned number, fills, rejects;
} strategy;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, tg_last_error());
    exit(1);
}

static int is_worse(int is_offer, int64_t one, int64_t other)
{
    return is_offer ? one > other : one < other;
}

static void level(side_levels *side, int is_offer, int64_t price, uint64_t qty)
{
    size_t at = side->count;
    while (at > 0 && !is_worse(is_offer, side->price[at - 1], price)) {
        at--;
    }
    int is_there = at < side->count && side->price[at] == price;
    size_t behind = side->count - at;
    if (is_there && qty > 0) {
        side->qty[at] = qty;
    } else if (is_there) {
        memmove(&side->price[at], &side->price[at + 1], (behind - 1) * sizeof side->price[0]);
        memmove(&side->qty[at], &side->qty[at + 1], (behind - 1) * sizeof side->qty[0]);
        side->count--;
    } else if (qty > 0) {
        if (side->count == LEVELS_MAX) { /* the worst goes */
            if (at == 0) {
                return;
            }
            memmove(&side->price[0], &side->price[1], (at - 1) * sizeof side->price[0]);
            memmove(&side->qty[0], &side->qty[1], (at - 1) * sizeof side->qty[0]);
            at--;
        } else {
            memmove(&side->price[at + 1], &side->price[at], behind * sizeof side->price[0]);
            memmove(&side->qty[at + 1], &side->qty[at], behind * sizeof side->qty[0]);
            side->count++;
        }
        side->price[at] = price;
        side->qty[at] = qty;
    }
}

static int64_t best(const side_levels *side)
{
    return side->count > 0 ? side->price[side->count - 1] : 0;
}

static void submit(strategy *s, uint8_t side, uint64_t lots, int64_t price)
{
    tg_new_order order = {0};
    snprintf(order.client_order_id, 37, "c-%ld-%u", (long)time(NULL), ++s->number);
    order.account = s->account;
    order.instrument = s->instrument;
    order.side = side;
    order.order_type = TG_ORDER_LIMIT;
    order.time_in_force = side == TG_SIDE_BUY ? TG_LIVES_DAY : TG_LIVES_IOC;
    order.flags = TG_FLAG_CANCEL_ON_DISCONNECT;
    order.qty = lots;
    order.price = price;
    if (tg_submit(s->session, &order, NULL) != TG_OK) {
        fail("submit");
    }
    if (side == TG_SIDE_BUY) {
        memcpy(s->quote_name, order.client_order_id, sizeof s->quote_name);
        s->quote = price;
        s->is_pending = 1;
    } else {
        s->is_selling = 1;
    }
}

/* What to do now that something is new. */
static void decide(strategy *s)
{
    int64_t bid = best(&s->sides[0]), ask = best(&s->sides[1]);
    if (!s->is_known || !s->is_whole || bid == 0 || ask == 0) {
        return;
    }
    if (s->held > 0 && !s->is_selling) {
        submit(s, TG_SIDE_SELL, (uint64_t)s->held, bid);
    }
    if (s->is_pending) {
        return;
    }
    if (s->quote == 0) {
        submit(s, TG_SIDE_BUY, LOTS, bid);
    } else if (s->quote != bid) {
        tg_cancel_order cancel = {0};
        memcpy(cancel.client_order_id, s->quote_name, sizeof cancel.client_order_id);
        cancel.account = s->account;
        if (tg_cancel(s->session, &cancel, NULL) != TG_OK) {
            fail("cancel");
        }
        s->is_pending = 1;
    }
}

static void heard(strategy *s, const tg_event *event, const char *symbol)
{
    const tg_execution *order = &event->body.execution;
    int is_quote;
    switch (event->kind) {
    case TG_EVENT_INSTRUMENT:
        if (strncmp(event->body.instrument.symbol, symbol, 24) == 0 && !s->is_known) {
            s->is_known = 1;
            s->instrument = event->instrument;
            if (tg_ask_picture(s->session, s->instrument) != TG_OK) {
                fail("picture");
            }
        }
        break;
    case TG_EVENT_POSITION:
        if (s->is_known && event->instrument == s->instrument) {
            s->held = event->body.held.qty;
        }
        break;
    case TG_EVENT_CANCEL_REJECT:
        s->rejects++;
        break;
    case TG_EVENT_EXECUTION:
        is_quote = memcmp(order->client_order_id, s->quote_name, sizeof s->quote_name) == 0;
        if (order->exec_type == TG_EXEC_TRADE) {
            s->fills++;
            printf("%s %" PRIu64 " at %" PRId64 " ticks\n", order->side == TG_SIDE_BUY ? "bought" : "sold", order->last_qty, order->last_price);
        }
        if (order->exec_type == TG_EXEC_REJECTED) {
            s->rejects++;
            fprintf(stderr, "refused, reason %d\n", order->reject_reason);
        }
        if (is_quote && order->exec_type == TG_EXEC_NEW) {
            s->is_pending = 0;
            printf("quoting %" PRIu64 " at %" PRId64 " ticks\n", order->qty, order->price);
        }
        if (order->leaves_qty == 0 && order->exec_type != TG_EXEC_PENDING_NEW) {
            if (is_quote) {
                s->quote = 0;
                s->is_pending = 0;
            } else {
                s->is_selling = 0;
            }
        }
        break;
    default:
        break;
    }
    fflush(stdout);
}

static void market(strategy *s, const tg_public_update *update)
{
    if (!s->is_known || update->instrument != s->instrument) {
        return;
    }
    switch (update->kind) {
    case TG_PUBLIC_CLEAR:
        s->sides[0].count = s->sides[1].count = 0;
        s->is_whole = 0;
        break;
    case TG_PUBLIC_PICTURE_END:
        s->is_whole = 1;
        break;
    case TG_PUBLIC_LEVEL:
        level(&s->sides[update->side == TG_SIDE_SELL], update->side == TG_SIDE_SELL, update->price, update->qty);
        break;
    default:
        break;
    }
}

int main(int count, char **words)
{
    static strategy s; /* large */
    static tg_event events[BATCH];
    static tg_public_update updates[BATCH];
    const char *token = getenv("TIDEGATE_TOKEN");
    if (count != 5 || token == NULL) {
        fprintf(stderr, "usage: TIDEGATE_TOKEN=... %s DOOR SYMBOL ACCOUNT SECONDS\n", words[0]);
        return 2;
    }
    s.account = (uint32_t)strtoul(words[3], NULL, 10);
    time_t until = time(NULL) + (time_t)strtoul(words[4], NULL, 10);
    tg_attach_options options = {.account = s.account};
    if (tg_attach(words[1], token, &options, &s.session) != TG_OK) {
        fail("attach");
    }
    while (time(NULL) < until) {
        int found = tg_poll_events(s.session, events, BATCH);
        if (found < 0) {
            fail("events");
        }
        for (int at = 0; at < found; at++) {
            heard(&s, &events[at], words[2]);
        }
        int told = tg_poll_public(s.session, updates, BATCH, NULL);
        if (told == TG_LAPPED) {
            s.is_whole = 0;
            if (s.is_known && tg_ask_picture(s.session, s.instrument) != TG_OK) {
                fail("picture");
            }
        } else if (told < 0) {
            fail("market data");
        }
        for (int at = 0; at < told; at++) {
            market(&s, &updates[at]);
        }
        if (found + told > 0) {
            decide(&s);
        } else {
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        }
    }
    printf("%u orders, %u fills, %u refused\n", s.number, s.fills, s.rejects);
    tg_detach(s.session);
    return s.is_known ? 0 : 1;
}

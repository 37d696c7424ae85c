/*
 * Calls everything wrongly that C lets one call wrongly, and expects to be told so. A door as the first argument, with the token in
 * TIDEGATE_TOKEN, lets it do so in a session as well.
 */
#include "tidegate_shm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int faults;

static void expect(const char *what, int found, int wanted, const char *text)
{
    if (found != wanted || (text != NULL && strstr(tg_last_error(), text) == NULL)) {
        fprintf(stderr, "%s: %d, not %d with '%s': %s\n", what, found, wanted, text ? text : "", tg_last_error());
        faults++;
    }
}

int main(int count, char **words)
{
    const char *token = getenv("TIDEGATE_TOKEN");
    static tg_public_update updates[4];
    static tg_event events[4];
    tg_session *session = (tg_session *)&faults;
    tg_new_order order = {0};
    tg_cancel_order cancel = {0};
    tg_replace_order replace = {0};
    tg_mass_cancel scope = {.account = 1, .instrument = TG_NONE};
    tg_position position;

    expect("no text yet", (int)strlen(tg_last_error()), 0, NULL);
    expect("no room for a session", tg_attach("/nowhere", "t", NULL, NULL), TG_ARGUMENT, "session is null");
    expect("no door", tg_attach(NULL, "t", NULL, &session), TG_ARGUMENT, "door is null");
    expect("no session of that", session == NULL, 1, NULL);
    expect("no token", tg_attach("/nowhere", NULL, NULL, &session), TG_ARGUMENT, "token is null");
    expect("a token that is no text", tg_attach("/nowhere", "\xff\xfe", NULL, &session), TG_ARGUMENT, "UTF-8");
    expect("nobody there", tg_attach("/nowhere", "t", NULL, &session), TG_CONNECT, "is it running");
    tg_attach_options wrong = {.account = TG_NONE, .level = 99};
    expect("no such level", tg_attach("/nowhere", "t", &wrong, &session), TG_ARGUMENT, "99 is no release level");

    expect("public", tg_poll_public(NULL, updates, 4, NULL), TG_ARGUMENT, "session is null");
    expect("events", tg_poll_events(NULL, events, 4), TG_ARGUMENT, "session is null");
    expect("submit", tg_submit(NULL, &order, NULL), TG_ARGUMENT, "session is null");
    expect("cancel", tg_cancel(NULL, &cancel, NULL), TG_ARGUMENT, "session is null");
    expect("replace", tg_replace(NULL, &replace, NULL), TG_ARGUMENT, "session is null");
    expect("mass cancel", tg_mass_cancel_orders(NULL, &scope, NULL), TG_ARGUMENT, "session is null");
    expect("picture", tg_ask_picture(NULL, 0), TG_ARGUMENT, "session is null");
    expect("check", tg_check(NULL), TG_ARGUMENT, "session is null");
    expect("identity", tg_identity(NULL, NULL, NULL), TG_ARGUMENT, "session is null");
    expect("position", tg_get_position(NULL, &position), TG_ARGUMENT, "session is null");
    tg_detach(NULL);

    if (count > 1 && token != NULL) {
        tg_attach_options options = {.account = 1};
        expect("a stranger", tg_attach(words[1], "not-theirs", &options, &session), TG_REFUSED, "unknown token");
        expect("attach", tg_attach(words[1], token, &options, &session), TG_OK, NULL);
        expect("nowhere to put updates", tg_poll_public(session, NULL, 4, NULL), TG_ARGUMENT, "records is null");
        expect("no updates", tg_poll_public(session, updates, 0, NULL), TG_ARGUMENT, "max is 0");
        expect("too many", tg_poll_public(session, updates, (size_t)1 << 21, NULL), TG_ARGUMENT, "max is 2097152");
        expect("nowhere to put events", tg_poll_events(session, NULL, 4), TG_ARGUMENT, "records is null");
        expect("no order", tg_submit(session, NULL, NULL), TG_ARGUMENT, "order is null");
        expect("no cancel", tg_cancel(session, NULL, NULL), TG_ARGUMENT, "cancel is null");
        expect("no replace", tg_replace(session, NULL, NULL), TG_ARGUMENT, "replace is null");
        expect("no scope", tg_mass_cancel_orders(session, NULL, NULL), TG_ARGUMENT, "scope is null");
        expect("no position", tg_get_position(session, NULL), TG_ARGUMENT, "position is null");
        expect("nothing to know", tg_identity(session, NULL, NULL), TG_OK, NULL);
        expect("it goes on", tg_check(session), TG_OK, NULL);

        /* An order of zeros is the engine's to refuse, and the session is told. */
        uint64_t request = 0;
        int is_told = 0;
        expect("an order of zeros", tg_submit(session, &order, &request), TG_OK, NULL);
        while (!is_told) {
            int found = tg_poll_events(session, events, 4);
            is_told = found < 0;
            for (int at = 0; at < found; at++) {
                is_told |= events[at].request_id == request;
            }
        }
        tg_detach(session);
    }
    printf("%d faults\n", faults);
    return faults != 0;
}

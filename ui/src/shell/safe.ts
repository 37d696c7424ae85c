/** Only paths of this page: an address from outside must not lead elsewhere. */
export function safe(next: string | null): string | null {
  // A browser drops control characters, so that what follows them stands where it was not seen.
  if (!next?.startsWith("/") || /\p{Cc}/u.test(next) || !URL.canParse(next, location.origin)) return null;
  return new URL(next, location.origin).origin === location.origin ? next : null;
}

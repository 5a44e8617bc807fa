/** The most attempts that `Webhook-Max-Attempts` may ask for. */
export const MOST_ATTEMPTS = 100;

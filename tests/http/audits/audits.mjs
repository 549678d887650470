// Runs graphql-http's audits against a server and prints one line of JSON for each.
import { serverAudits } from "graphql-http";

const [url, key] = process.argv.slice(2);

const audits = serverAudits({
  url,
  fetchFn: (to, options = {}) =>
    fetch(to, { ...options, headers: { ...options.headers, authorization: `Bearer ${key}` } }),
});
for (const { id, name, fn } of audits) {
  const result = await fn();
  const reason = result.status === "ok" ? "" : result.reason;
  console.log(JSON.stringify({ id, name, status: result.status, reason }));
}

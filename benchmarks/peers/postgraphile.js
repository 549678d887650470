// PostGraphile on the gateway's tables, as its documentation has it run in production.
//
// DATABASE_URL is the address of a role that is held by row-level security, PORT where to listen,
// on 127.0.0.1. What a request may see stands in its headers x-vendors and x-products, as
// PostgreSQL's arrays of numbers: whoever stands before a PostGraphile has asked for a key.

import { createServer } from "node:http";
import { makePgService } from "postgraphile/adaptors/pg";
import { postgraphile } from "postgraphile";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { pgSmartTags } from "postgraphile/utils";

const NUMBERS = /^\{[0-9,]*\}$/;

const url = new URL(process.env.DATABASE_URL.replace("@/", "@socket/"));

function numbers(request, header) {
  const given = request.headers[header] ?? "{}";
  if (!NUMBERS.test(given)) throw new Error(`${header} is not an array of numbers`);
  return given;
}

// the records have no foreign key to their product: this tells PostGraphile that there is one
const relations = pgSmartTags([
  {
    kind: "class",
    match: "service_records",
    tags: { foreignKey: "(product_id) references public.products (product_id)" },
  },
]);

// PostGraphile reads dates by to_char, which gives null for infinity: an open end
const openEnds = {
  name: "OpenEndsPlugin",
  version: "1.0.0",
  gather: {
    hooks: {
      pgCodecs_attribute(info, { attribute, pgAttribute }) {
        if (pgAttribute.attname === "end_date") attribute.notNull = false;
      },
    },
  },
};

const preset = {
  extends: [PostGraphileAmberPreset],
  plugins: [relations, openEnds],
  pgServices: [
    makePgService({
      poolConfig: {
        host: url.searchParams.get("host"),
        user: url.username,
        password: decodeURIComponent(url.password),
        database: url.pathname.slice(1),
        max: 10,
      },
      schemas: ["public", "benchmark"],
    }),
  ],
  grafserv: { graphiql: false, watch: false, outputDataAsString: true },
  grafast: {
    explain: false,
    context: ({ node: { req } }) => ({
      pgSettings: {
        "gateway.vendors": numbers(req, "x-vendors"),
        "gateway.products": numbers(req, "x-products"),
      },
    }),
  },
};

const server = createServer();
server.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
const serving = postgraphile(preset).createServ(grafserv);
await serving.addTo(server);
server.listen(Number(process.env.PORT), "127.0.0.1");

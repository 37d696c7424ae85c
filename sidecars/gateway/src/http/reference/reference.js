// Shows the gateway's OpenAPI document: operations by tag, their parameters, bodies and answers, and lets one try a call. Nothing is
// loaded from elsewhere, nothing is kept: the token lives as long as the page.

const METHODS = ["get", "post", "put", "patch", "delete"];
const SCHEMA_DEPTH_MAX = 6;

/** An element with attributes and children; text is only ever text. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** What a reference within the document stands for. */
function resolve(spec, value) {
  if (!value?.$ref) return value ?? {};
  return value.$ref.slice(2).split("/").reduce((at, part) => at?.[part], spec) ?? {};
}

const typeOf = (schema) => [schema.type ?? (schema.properties ? "object" : "")].flat();

/** An example of what fits a schema. */
function example(spec, given, depth = 0) {
  const schema = resolve(spec, given);
  if (schema.example !== undefined) return schema.example;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const choice = (schema.oneOf ?? schema.anyOf)?.find((one) => one.type !== "null");
  if (choice) return depth < SCHEMA_DEPTH_MAX ? example(spec, choice, depth + 1) : null;
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((one) => example(spec, one, depth + 1)));
  const type = typeOf(schema).find((one) => one !== "null");
  if (type === "object") {
    if (depth >= SCHEMA_DEPTH_MAX) return {};
    const required = new Set(schema.required ?? []);
    const shown = Object.entries(schema.properties ?? {}).filter(([name]) => depth === 0 || required.has(name));
    return Object.fromEntries(shown.map(([name, one]) => [name, example(spec, one, depth + 1)]));
  }
  if (type === "array") return depth < SCHEMA_DEPTH_MAX ? [example(spec, schema.items, depth + 1)] : [];
  if (type === "integer" || type === "number") return schema.minimum ?? 0;
  if (type === "boolean") return false;
  if (type === "string") {
    if (schema.format === "uuid") return "00000000-0000-0000-0000-000000000000";
    return schema.format === "date-time" ? "2026-01-01T00:00:00Z" : "text";
  }
  return null;
}

/** In words: what fits a schema. */
function words(spec, given) {
  if (given?.$ref) return given.$ref.split("/").pop();
  const schema = given ?? {};
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((one) => words(spec, one)).join(" | ");
  const bounds = ["minimum", "maximum", "minLength", "maxLength", "pattern", "maxItems", "format"]
    .filter((key) => schema[key] !== undefined)
    .map((key) => `${key} ${schema[key]}`);
  const types = typeOf(schema).map((type) => (type === "array" ? `list of ${words(spec, schema.items)}` : type));
  return [types.join(" | ") || "any", ...bounds].join(", ");
}

/** The fields of a schema, as rows. */
function fields(spec, given) {
  const schema = resolve(spec, given);
  const properties = Object.entries(schema.properties ?? {});
  if (!properties.length) return make("p", {}, words(spec, schema), ". ", schema.description ?? "");
  const required = new Set(schema.required ?? []);
  const rows = properties.map(([name, one]) =>
    make("tr", {},
      make("td", {}, name, required.has(name) ? "" : "?"),
      make("td", {}, words(spec, one)),
      make("td", {}, one.description ?? resolve(spec, one).description ?? "")));
  return make("table", {}, ...rows);
}

const content = (body) => body?.content?.["application/json"]?.schema;

/** Answers of an operation; errors that all have in common are folded away. */
function answers(spec, operation) {
  const all = Object.entries(operation.responses ?? {}).map(([status, given]) => {
    const response = resolve(spec, given);
    const schema = content(response);
    const shown = schema && !given.$ref ? make("pre", {}, JSON.stringify(example(spec, schema), null, 2)) : null;
    return [Number(status), make("div", {}, make("strong", {}, status), ` ${response.description ?? ""}`, shown)];
  });
  return [
    ...all.filter(([status]) => status < 400).map(([, shown]) => shown),
    make("details", {}, make("summary", {}, "Errors"), ...all.filter(([status]) => status >= 400).map(([, shown]) => shown)),
  ];
}

/** A form that makes the call. */
function form(spec, method, path, parameters, schema) {
  const inputs = parameters.map((parameter) => [parameter, make("input", { name: parameter.name, autocomplete: "off" })]);
  const body = schema && make("textarea", { rows: "8", spellcheck: "false", "aria-label": "Body" });
  if (body) body.value = JSON.stringify(example(spec, schema), null, 2);
  const shown = make("pre", { hidden: "" });
  const send = async (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    const headers = {};
    let to = path;
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") to = to.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value && parameter.in === "query") query.append(parameter.name, input.value);
      else if (input.value && parameter.in === "header") headers[parameter.name] = input.value;
    }
    const token = document.getElementById("token").value.trim();
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    shown.hidden = false;
    shown.textContent = "…";
    try {
      const url = query.size ? `${to}?${query}` : to;
      const begun = performance.now();
      const response = await fetch(url, { method: method.toUpperCase(), headers, body: body?.value, credentials: "omit" });
      const text = await response.text();
      const took = Math.round(performance.now() - begun);
      const limit = response.headers.get("ratelimit") ?? "";
      let pretty = text;
      try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is no JSON and is shown as it is */ }
      shown.textContent = `${response.status} ${response.statusText}, ${took} ms ${limit}\n${pretty}`;
      shown.className = response.ok ? "" : "bad";
    } catch (error) {
      shown.textContent = String(error);
      shown.className = "bad";
    }
  };
  const rows = inputs.map(([parameter, input]) =>
    make("tr", {},
      make("td", {}, parameter.name, parameter.required ? "" : "?"),
      make("td", {}, input),
      make("td", {}, `${parameter.in}, ${words(spec, parameter.schema)}. ${parameter.description ?? ""}`)));
  return make("form", { onsubmit: send },
    rows.length ? make("table", {}, ...rows) : null, body, make("button", {}, "Send"), shown);
}

function section(spec, method, path, operation, parameters) {
  const scopes = (operation.security ?? []).flatMap((one) => one.bearer ?? []);
  const schema = content(resolve(spec, operation.requestBody));
  return make("section", { id: operation.operationId },
    make("h3", {}, make("span", { class: "method" }, method.toUpperCase()), path),
    make("p", {}, operation.summary ?? "", " ", operation.description ?? "", " ",
      make("span", { class: "needs" }, scopes.length ? `needs ${scopes.join(", ")}` : "open")),
    schema ? fields(spec, schema) : null,
    make("details", {}, make("summary", {}, "Try it"), form(spec, method, path, parameters, schema)),
    ...answers(spec, operation));
}

async function show() {
  const main = document.getElementById("operations");
  const response = await fetch("/api/v1/openapi.json");
  if (!response.ok) throw new Error(`the document cannot be had: ${response.status}`);
  const spec = await response.json();
  document.getElementById("version").textContent = spec.info.version;
  const tags = new Map();
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const method of METHODS.filter((one) => item[one])) {
      const operation = item[method];
      const tag = operation.tags?.[0] ?? "other";
      const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((one) => resolve(spec, one));
      if (!tags.has(tag)) tags.set(tag, []);
      tags.get(tag).push([method, path, operation, parameters]);
    }
  }
  const links = [];
  const sections = [make("p", {}, spec.info.description)];
  for (const [tag, operations] of [...tags].sort(([a], [b]) => a.localeCompare(b))) {
    links.push(make("h2", {}, tag));
    sections.push(make("h2", {}, tag));
    for (const [method, path, operation, parameters] of operations) {
      links.push(make("a", { href: `#${operation.operationId}` }, `${method.toUpperCase()} ${path.replace("/api/v1", "")}`));
      sections.push(section(spec, method, path, operation, parameters));
    }
  }
  links.push(make("h2", {}, "schemas"));
  sections.push(make("h2", {}, "schemas"));
  for (const [name, schema] of Object.entries(spec.components?.schemas ?? {})) {
    links.push(make("a", { href: `#schema-${name}` }, name));
    sections.push(make("section", { id: `schema-${name}` }, make("h3", {}, name), fields(spec, schema)));
  }
  document.getElementById("tags").replaceChildren(...links);
  main.replaceChildren(...sections);
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

show().catch((error) => {
  document.getElementById("operations").replaceChildren(make("p", { class: "bad" }, String(error)));
});

// The Durable Objects that a Worker with the gate needs: the gate's own configuration says it.
import { readFileSync } from 'node:fs';
import { OWN_CONFIGURATION } from './project.mjs';

const own = () => readFileSync(OWN_CONFIGURATION, 'utf8');

/** The part of wrangler.toml with the bindings and migrations, comments included. */
export function objectsText() {
  const text = own();
  const bindings = text.indexOf('[[durable_objects.bindings]]');
  // With the comment above the first of them.
  const start = text.slice(0, bindings).trimEnd().lastIndexOf('\n\n');
  return text.slice(start).trim();
}

/** The bindings, each with its `name`, its `className` and its `comment`. */
export function objects() {
  const blocks = objectsText().matchAll(
    /((?:^#.*\n)*)\[\[durable_objects\.bindings\]\]\nname = "(\w+)"\nclass_name = "(\w+)"/gm,
  );
  return [...blocks].map(([, comment, name, className]) => ({ name, className, comment }));
}

/** The names of the gate's classes. */
export const classNames = () => objects().map(({ className }) => className);

/** The compatibility date that the Worker is tested with. */
export const compatibilityDate = () => /^compatibility_date = "(.*)"$/m.exec(own())[1];

// A look into the storage of Durable Objects while they use it, and changes while they don't.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

// Node 22 warns at the import that SQLite is experimental there; all else it may say.
const [warn] = process.listeners('warning');
process.off('warning', warn);
process.on('warning', (warning) => {
  if (!/SQLite/.test(warning.message)) warn(warning);
});
const { DatabaseSync } = await import('node:sqlite');

/** A new database in memory. */
export const database = () => new DatabaseSync(':memory:');

/** The names of the tables that each object under `folder` made. */
export const tablesByObject = (folder) =>
  byObject(folder, (database) => tablesOf(database).filter((name) => !name.startsWith('_cf_')));

/** How many rows the objects under `folder` hold in the key-value store. */
export function rowsIn(folder) {
  const counts = byObject(folder, (database) => {
    if (!tablesOf(database).includes('_cf_KV')) return 0;
    return database.prepare('SELECT count(*) AS count FROM _cf_KV').get().count;
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * Does this to the database of each object under `folder` that has such a table, or to so many of
 * them; nothing may run there. Gives what came of it.
 */
export function change(folder, table, work, most = Infinity) {
  const databases = filesOfObjects(folder).map((file) => new DatabaseSync(file, { timeout: 5000 }));
  try {
    const chosen = databases.filter((database) => tablesOf(database).includes(table));
    return chosen.slice(0, most).map(work);
  } finally {
    for (const database of databases) database.close();
  }
}

function byObject(folder, look) {
  return filesOfObjects(folder).map((file) => patiently(() => open(file, look)));
}

function filesOfObjects(folder) {
  const files = readdirSync(folder, { recursive: true });
  const ofObjects = files.filter((name) => /[0-9a-f]{64}\.sqlite$/.test(name));
  return ofObjects.map((name) => join(folder, name));
}

// A reader that comes amid a write finds a journal that only a writer could roll back.
const AMID_A_WRITE = 776;

function patiently(read) {
  const deadline = performance.now() + 5000;
  for (;;) {
    try {
      return read();
    } catch (error) {
      if (error.errcode !== AMID_A_WRITE || performance.now() > deadline) throw error;
    }
  }
}

function tablesOf(database) {
  const rows = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
  return rows.map(({ name }) => name);
}

function open(file, look) {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  try {
    return look(database);
  } finally {
    database.close();
  }
}

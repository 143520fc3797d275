// A look into the storage of Durable Objects, while they use it.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

// Node 22 warns at the import that SQLite is experimental there; all else it may say.
const [warn] = process.listeners('warning');
process.off('warning', warn);
process.on('warning', (warning) => {
  if (!/SQLite/.test(warning.message)) warn(warning);
});
const { DatabaseSync } = await import('node:sqlite');

/** The names of the tables that the one object under `folder` made. */
export const tablesIn = (folder) => tablesByObject(folder)[0];

/** The same for each object there. */
export function tablesByObject(folder) {
  const files = readdirSync(folder, { recursive: true });
  const ofObjects = files.filter((name) => /[0-9a-f]{64}\.sqlite$/.test(name));
  return ofObjects.map((file) => patiently(() => tablesOf(folder, file)));
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

function tablesOf(folder, file) {
  const database = new DatabaseSync(join(folder, file), { readOnly: true, timeout: 5000 });
  try {
    const rows = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    return rows.map(({ name }) => name).filter((name) => !name.startsWith('_cf_'));
  } finally {
    database.close();
  }
}

// A program that holds a data folder until it ends: `node hold-data-folder.mjs <folder>`.
import { openDataFolder } from '../../../dist/embedded/files/data-folder.js';

try {
  await openDataFolder(process.argv[2]);
  console.log('held');
  setInterval(() => {}, 1000);
} catch (error) {
  console.log(`refused: ${error.message}`);
}

import { namesOfOthers, TAKEN_FROM_OTHERS, UNUSED_OF_OTHERS } from './other-systems.ts';
import { RENAMED, RETIRED } from './renamed.ts';
import { isUnknown, meantInEnvironment, meantInFile } from './unknown.ts';

/**
 * A warning about a name that is not the name of a setting, has no effect, or will not be a setting in the next version. `renamed`:
 * its value is used.
 */
export type SettingWarning = {
  readonly kind: 'renamed' | 'retired' | 'unknown';
  readonly setting: string;
  /** What is wrong and how to cure it, in one line. */
  readonly hint: string;
};

type Given = Readonly<Record<string, string | undefined>>;

/**
 * @param known The names of all settings.
 * @param environment Also holds variables of other programs, so only names that are similar to a known name give a warning.
 * @param file `.env`: every name is meant for this program, or for one of the programs that are known to read the file.
 */
export function warningsOf(known: readonly string[], environment: Given, file: Given): SettingWarning[] {
  const set = Object.keys(environment).filter((name) => environment[name]?.trim());
  const isGiven = (name: string) => set.includes(name) || name in file;
  const renamed = Object.keys(RENAMED).filter(isGiven);
  const retired = Object.keys(RETIRED).filter(isGiven);
  const ofOthers = [...Object.keys(TAKEN_FROM_OTHERS), ...Object.keys(UNUSED_OF_OTHERS)];
  const isNew = (name: string) =>
    !known.includes(name) && !(name in RENAMED) && !(name in RETIRED) && !ofOthers.includes(name);
  return [
    ...renamed.map(renamedWarning),
    ...retired.map(retiredWarning),
    ...namesOfOthers({ ...file, ...environment }).map(({ kind, setting, hint }) => ({
      kind: kind === 'used' ? ('renamed' as const) : ('retired' as const),
      setting,
      hint,
    })),
    ...Object.keys(file)
      .filter((name) => isNew(name) && isUnknown(name, known))
      .map((name) => unknownWarning('The file .env', name, meantInFile(name, known))),
    ...set
      .filter((name) => isNew(name) && isUnknown(name, known) && !(name in file))
      .map((name) => ({ name, meant: meantInEnvironment(name, known) }))
      .filter(({ meant }) => meant !== undefined)
      .map(({ name, meant }) => unknownWarning('The environment', name, meant)),
  ];
}

function renamedWarning(setting: string): SettingWarning {
  return {
    kind: 'renamed',
    setting,
    hint: `${setting} has a new name: write ${RENAMED[setting]}. The next version no longer knows ${setting}.`,
  };
}

function retiredWarning(setting: string): SettingWarning {
  const hint = `${setting} has no effect: ${RETIRED[setting]}. Remove it. The next version no longer knows ${setting}.`;
  return { kind: 'retired', setting, hint };
}

function unknownWarning(where: string, setting: string, meant: string | undefined): SettingWarning {
  const cure =
    meant === undefined
      ? 'Remove this line, or correct the name; docs/settings.md lists all settings.'
      : `Did you mean ${meant}?`;
  return {
    kind: 'unknown',
    setting,
    hint: `${where} sets ${setting}, but no setting has this name. ${cure}`,
  };
}

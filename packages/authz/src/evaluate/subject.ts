/** Subjects of questions and of tuples, taken apart: `user:anne`, `user:*`, `group:eng#member`. */

export interface Subject {
  readonly text: string;
  readonly type: string;
  /** Of a userset: its relation. */
  readonly relation: string | undefined;
  /** `group:eng` of `group:eng#member`; the whole text of others. */
  readonly object: string;
  readonly isWildcard: boolean;
  /** `user` (of wildcards too) or `group#member`. */
  readonly kind: string;
  /** What else stands for a plain subject: `user:*`; undefined for wildcards and usersets. */
  readonly wildcard: string | undefined;
}

/** @param text well-formed */
export function parseSubject(text: string): Subject {
  const colon = text.indexOf(":");
  const hash = text.indexOf("#", colon);
  const type = text.slice(0, colon);
  const isWildcard = text.length === colon + 2 && text.charCodeAt(colon + 1) === 0x2a;
  if (hash >= 0) {
    const relation = text.slice(hash + 1);
    const object = text.slice(0, hash);
    const kind = `${type}#${relation}`;
    return { text, type, relation, object, isWildcard: false, kind, wildcard: undefined };
  }
  const wildcard = isWildcard ? undefined : `${type}:*`;
  return { text, type, relation: undefined, object: text, isWildcard, kind: type, wildcard };
}

/** Type of `document:1`, `group:eng#member`. */
export function typeOf(objectOrSubject: string): string {
  return objectOrSubject.slice(0, objectOrSubject.indexOf(":"));
}

/** Is it an object by itself, neither userset nor wildcard? */
export function isPlain(subject: string): boolean {
  const colon = subject.indexOf(":");
  if (subject.charCodeAt(colon + 1) === 0x2a && subject.length === colon + 2) return false;
  return !subject.includes("#", colon);
}

/** An order in which what something is made of comes before it, as far as there are no circles. Without recursion. */
export function dependenciesFirst<T>(
  nodes: readonly T[],
  inputsOf: (node: T) => Iterable<T>,
): readonly T[] {
  const order: T[] = [];
  const seen = new Set<T>();
  for (const start of nodes) {
    if (seen.has(start)) continue;
    seen.add(start);
    const path = [{ node: start, inputs: inputsOf(start)[Symbol.iterator]() }];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.inputs.next();
      if (next.done) {
        order.push(top.node);
        path.pop();
      } else if (!seen.has(next.value)) {
        seen.add(next.value);
        path.push({ node: next.value, inputs: inputsOf(next.value)[Symbol.iterator]() });
      }
    }
  }
  return order;
}

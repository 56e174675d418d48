// Parts of a JSON Schema in words, and its properties as rows of a table: `training.epochs`, `integer from 0`, default, text.
import { isJsonObject, jsonText } from '../../src/support/json.ts';
import type { Json, JsonObject } from '../../src/support/json.ts';
import { resolve, rootOf, type SchemaRoots } from './schema-samples.ts';

export interface Row {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly fallback: string;
  readonly text: string;
}

/** How references are told: a link to where they are described, or undefined to describe their target in place. */
export type LinkOf = (reference: string) => string | undefined;

export class SchemaWords {
  private readonly roots: SchemaRoots;
  private readonly linkOf: LinkOf;

  constructor(roots: SchemaRoots, linkOf: LinkOf) {
    this.roots = roots;
    this.linkOf = linkOf;
  }

  /** Every property that is written below `schema`, inner ones by their path. */
  rows(schema: JsonObject, root: JsonObject, prefix = ''): readonly Row[] {
    const required = listOf(schema['required']).map(jsonText);
    const own = propertiesOf(schema).flatMap(([name, property]) =>
      isJsonObject(property) ? this.propertyRows(`${prefix}${name}`, property, required.includes(name), root) : [],
    );
    return [...own, ...this.branchRows(schema, root, prefix), ...this.innerRows(schema, root, prefix)];
  }

  private propertyRows(name: string, property: JsonObject, required: boolean, root: JsonObject): readonly Row[] {
    const { target, home, linked } = this.followed(property, root);
    const row: Row = {
      name,
      required,
      type: linked ?? this.type(target, home),
      fallback:
        property['default'] === undefined && target['default'] === undefined
          ? ''
          : code(property['default'] ?? target['default'] ?? null),
      text: jsonText(
        property['description'] ?? target['description'] ?? (target['const'] === undefined ? '' : 'Tells which it is.'),
      ),
    };
    return linked === undefined ? [row, ...this.innerRows(target, home, name, true)] : [row];
  }

  /** What stands inside of an object, a map or a list. */
  private innerRows(schema: JsonObject, root: JsonObject, prefix: string, withOwn = false): readonly Row[] {
    const own = withOwn ? this.rows(without(schema, 'additionalProperties', 'items'), root, `${prefix}.`) : [];
    const map = this.memberRows(schema['additionalProperties'], root, withOwn ? `${prefix}.<name>` : `${prefix}<name>`);
    const list = this.memberRows(schema['items'], root, `${prefix}[]`);
    return [...own, ...map, ...list];
  }

  private memberRows(schema: Json | undefined, root: JsonObject, prefix: string): readonly Row[] {
    if (!isJsonObject(schema)) return [];
    const { target, home, linked } = this.followed(schema, root);
    if (linked !== undefined) return [];
    return this.rows(target, home, `${prefix}.`);
  }

  /** Alternatives that are told apart by a field: `schedule (cosine).final`. */
  private branchRows(schema: JsonObject, root: JsonObject, prefix: string): readonly Row[] {
    const tag = isJsonObject(schema['discriminator']) ? jsonText(schema['discriminator']['propertyName']) : undefined;
    if (tag === undefined) return [];
    const branches = listOf(schema['oneOf']).map((branch) => this.followed(isJsonObject(branch) ? branch : {}, root));
    const names = branches.map(({ target }) => constantOf(target, tag));
    const choice: Row = {
      name: `${prefix}${tag}`,
      type: names.map((name) => `\`${name}\``).join(' or '),
      required: true,
      fallback: '',
      text: branches.map(({ target }, index) => `\`${names[index]}\`: ${jsonText(target['description'])}`).join(' '),
    };
    const inner = branches.flatMap(({ target, home }, index) => {
      const others = propertiesOf(target).filter(([name]) => name !== tag);
      const stem = prefix.endsWith('.') ? prefix.slice(0, -1) : prefix;
      return this.rows({ ...target, properties: Object.fromEntries(others) }, home, `${stem}(${names[index]}).`);
    });
    return [choice, ...inner];
  }

  /** `integer from 1`, `"a" or "b"`, `list of strings`. */
  type(schema: JsonObject, root: JsonObject): string {
    const { enum: allowed, const: constant, items, oneOf, anyOf, discriminator } = schema;
    if (Array.isArray(allowed)) return (allowed as readonly Json[]).map(code).join(' or ');
    if (constant !== undefined) return code(constant);
    const alternatives =
      Array.isArray(oneOf) && discriminator === undefined ? oneOf : Array.isArray(anyOf) ? anyOf : [];
    if (alternatives.length > 0) {
      const words = (alternatives as readonly Json[]).map((one) =>
        isJsonObject(one) ? this.typeOf(one, root) : 'anything',
      );
      return [...new Set(words)].join(' or ');
    }
    const types = listOf(schema['type'] === undefined ? [] : [schema['type']].flat()).map(jsonText);
    if (types.length === 0) return isJsonObject(schema['properties']) ? 'object' : 'anything';
    const stand = isJsonObject(schema['then']) ? jsonText(schema['then']['$ref']) : '';
    const words = types.map((type) => {
      if (type === 'object' && stand === '#/$defs/substitution') return this.linkOf(stand) ?? 'a substitution';
      return type === 'array' && isJsonObject(items) ? `list of ${this.typeOf(items, root)}` : bounded(type, schema);
    });
    return words.join(' or ');
  }

  private typeOf(schema: JsonObject, root: JsonObject): string {
    const { target, home, linked } = this.followed(schema, root);
    return linked ?? this.type(target, home);
  }

  private followed(
    schema: JsonObject,
    root: JsonObject,
  ): { target: JsonObject; home: JsonObject; linked: string | undefined } {
    const reference = schema['$ref'];
    if (typeof reference !== 'string') return { target: schema, home: root, linked: undefined };
    const linked = this.linkOf(reference);
    const target = resolve(reference, root, this.roots);
    return { target: isJsonObject(target) ? target : {}, home: rootOf(reference, root, this.roots), linked };
  }
}

export function code(value: Json): string {
  return `\`${typeof value === 'string' ? JSON.stringify(value) : JSON.stringify(value)}\``;
}

function bounded(type: string, { minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonObject): string {
  if (type !== 'integer' && type !== 'number') return type;
  const parts = [
    minimum === undefined ? '' : ` from ${jsonText(minimum)}`,
    exclusiveMinimum === undefined ? '' : ` above ${jsonText(exclusiveMinimum)}`,
    maximum === undefined ? '' : ` to ${jsonText(maximum)}`,
    exclusiveMaximum === undefined ? '' : ` below ${jsonText(exclusiveMaximum)}`,
  ];
  return `${type}${parts.join('')}`;
}

function propertiesOf(schema: JsonObject): readonly (readonly [string, Json])[] {
  return isJsonObject(schema['properties']) ? Object.entries(schema['properties']) : [];
}

function constantOf(schema: JsonObject, tag: string): string {
  const properties = schema['properties'];
  const own = isJsonObject(properties) ? properties[tag] : undefined;
  return isJsonObject(own) ? jsonText(own['const']) : '';
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

function without(schema: JsonObject, ...keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => !keys.includes(key)));
}

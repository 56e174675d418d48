// Typed lint. Rules that a formatter or the compiler already holds are left out.
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const noDefaultExport = {
  selector: 'ExportDefaultDeclaration',
  message: 'Give it a name: `export function x` or `export const x`.',
};
const noEnum = { selector: 'TSEnumDeclaration', message: 'Use a union of string literals.' };
const noDoubleAssertion = {
  selector: 'TSAsExpression > TSAsExpression.expression',
  message: 'Two assertions in a row switch the type checker off; narrow the value instead.',
};

export default defineConfig(
  globalIgnores([
    'dist/',
    'node_modules/',
    '.headgate/',
    'data/',
    'out/',
    'examples/',
    'python/',
    '**/*.mjs',
    '*.js',
    'bin/',
  ]),
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', noDefaultExport, noEnum, noDoubleAssertion],
      'object-shorthand': 'error',
      'prefer-const': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-namespace': 'error',
      '@typescript-eslint/parameter-properties': 'error',
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Numbers and booleans read well in messages; objects do not.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // Ports are records of closures and are taken apart freely; the rule cannot tell them from methods that need `this`.
      '@typescript-eslint/unbound-method': 'off',
      // An `async` function may fulfil a port whose other implementations wait.
      '@typescript-eslint/require-await': 'off',
    },
  },
  { files: ['src/console/**', 'src/cli/**', 'bench/**'], rules: { 'no-console': 'off' } },
  {
    files: ['vitest.config.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
);

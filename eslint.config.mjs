import js from '@eslint/js';
import globals from 'globals';

export default [
  { ignores: ['build/', 'target/', '.toolchain/', '.wrangler/'] },
  js.configs.recommended,
  { languageOptions: { globals: globals.node } },
  {
    files: ['src/worker/js/**/*.js', 'benches/contenders/**/*.js'],
    languageOptions: {
      globals: {
        WebSocketPair: 'readonly',
        WebSocketRequestResponsePair: 'readonly',
        caches: 'readonly',
      },
    },
  },
  {
    files: [
      'playground/**/*.js',
      'client/**/*.js',
      'src/worker/dashboard/**/*.js',
      'tests/browsers/page.js',
      'tests/scenarios/*.js',
      'tests/runtimes/run.js',
    ],
    languageOptions: { globals: globals.browser },
  },
  {
    rules: {
      eqeqeq: 'error',
      'no-unused-vars': ['error', { ignoreRestSiblings: true }],
      'no-var': 'error',
      'prefer-const': 'error',
    },
  },
];

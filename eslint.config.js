import js from "@eslint/js";
import globals from "globals";

const UNSAFE = "Text must only become text nodes: use textContent or append.";

export default [
  { ignores: ["app/javascript/dist/"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-console": "error",
      "no-eval": "error",
      "no-implicit-globals": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: UNSAFE },
        { property: "outerHTML", message: UNSAFE },
        { property: "insertAdjacentHTML", message: UNSAFE },
      ],
      "no-shadow": "error",
      "no-unused-vars": "error",
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: ["app/javascript/*/**/*.js"],
    ignores: ["app/javascript/tests/"],
    languageOptions: { globals: globals.browser },
  },
  {
    files: ["app/javascript/build.mjs", "app/javascript/tests/**/*.js", "eslint.config.js"],
    languageOptions: { globals: globals.node },
    rules: { "no-console": "off" },
  },
];

/** What `commands/canary.yaml` declares, for hosts whose catalogue is another: its secret plain, in base64, in hex, and in two pieces. */
export const CANARY_CATALOGUE = `commands:
  canary:
    summary: Prints a secret, to see where it comes out
    description: 'What \`sallyport doctor --canary\` runs: every line of it has to be masked.'
    effect: read
    optional: true
    timeout: 10s
    script:
      interpreter: sh
      text: |
        printf '%s\\n' "$CANARY"
        printf '%s' "$CANARY" | base64
        printf '%s' "$CANARY" | od -An -tx1 | tr -d ' \\n'
        printf '\\n%.9s' "$CANARY"
        printf '%s\\n' "\${CANARY#?????????}" >&1
        printf '%s\\n' "$CANARY" >&2
    params:
      canary: { type: secret, description: What must not be seen }
    env: { CANARY: '{canary}' }
`;
/** Masks that a run of it shows at least. */
export const FEWEST_MASKS = 4;

interface FinishedTest {
  readonly fullName: string;
  readonly status: string;
  readonly invocations?: number;
  readonly retryReasons?: readonly string[];
}

/** Names at the end which tests needed their second try (`second-try.ts`): each is a mistake in a test or a race in the product. */
export default class SecondTryReporter {
  onRunComplete(
    _contexts: unknown,
    { testResults }: { readonly testResults: readonly { readonly testResults: readonly FinishedTest[] }[] },
  ): void {
    for (const { fullName, status, invocations = 1, retryReasons = [] } of testResults.flatMap((file) => file.testResults)) {
      if (status === 'passed' && invocations > 1)
        process.stderr.write(`\nPassed only at the second try: ${fullName}\n${retryReasons.join('\n')}\n`);
    }
  }
}

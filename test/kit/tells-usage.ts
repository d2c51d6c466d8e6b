// Preloaded into a program: as it ends it tells on stderr what it used. Line: `{"mib": largest resident size, "seconds": processor time}`.
process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  process.stderr.write(`${JSON.stringify({ mib: Math.round(maxRSS / 1024), seconds: (userCPUTime + systemCPUTime) / 1_000_000 })}\n`);
});

// Nest's ESM build must be loaded before CommonJS packages that require it, else they meet it half-loaded ("require() in a cycle").
import '@nestjs/common';
import '@nestjs/core';

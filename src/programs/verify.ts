#!/usr/bin/env node
import { verify } from "./cli/Commands.ts"
import { main } from "./cli/Main.ts"

main(verify)

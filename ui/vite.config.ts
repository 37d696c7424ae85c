import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where `npm run dev` sends what is not the page's own.
const gateway = process.env.TIDEGATE_GATEWAY ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2023",
    // The page's policy allows nothing from `data:`.
    assetsInlineLimit: 0,
  },
  server: {
    proxy: { "/api": { target: gateway, ws: true }, "/docs": gateway, "/health": gateway },
  },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"], restoreMocks: true },
});

import { Empty } from "../../components/states";

export default function Settings() {
  return <Empty title="Settings" />;
}

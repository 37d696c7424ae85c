import { Empty } from "../../components/states";

export default function Portfolio() {
  return <Empty title="Portfolio" />;
}
